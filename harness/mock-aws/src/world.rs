//! What exists: accounts with their identity providers, roles and buckets, as a file in TOML or JSON tells.
//!
//! ```toml
//! [[accounts.111122223333.oidc_providers]]
//! issuer = "https://oidc.example.test/id/1"
//! client_ids = ["sts.amazonaws.com"]
//! ca = "issuer-ca.pem"             # else the system's authorities
//! address = "127.0.0.1:8443"       # else by name
//!
//! [accounts.111122223333.roles.actions-runner-role]
//! trust = "trust-policy.json"      # or the policy itself
//! policies = ["role-policy.json"]
//!
//! [accounts.444455556666.buckets."bucket.dogecompany.com"]
//! policy = "bucket-policy.json"
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::policy::{Policy, Principal};

/// Everything that exists at start.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// By number.
    pub accounts: BTreeMap<String, Account>,
}

/// One account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The issuers whose tokens it takes.
    pub providers: Vec<Provider>,
    /// By name.
    pub roles: BTreeMap<String, Role>,
    /// By name; names are unique over all accounts.
    pub buckets: BTreeMap<String, Bucket>,
}

/// An IAM OIDC identity provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// An HTTPS URL, as tokens have it in `iss`.
    pub issuer: Url,
    /// The audiences that it takes.
    pub client_ids: Vec<String>,
    /// The authority that vouches for the issuer's certificate, in PEM; else those of the system.
    pub ca_pem: Option<String>,
    /// Where the issuer's host is, if names do not tell.
    pub address: Option<SocketAddr>,
}

impl Provider {
    /// The issuer without `https://`, as ARNs and condition keys have it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.issuer
            .as_str()
            .trim_start_matches("https://")
            .trim_end_matches('/')
    }

    /// Its ARN in this account.
    #[must_use]
    pub fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:oidc-provider/{}", self.name())
    }
}

/// An IAM role.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// Who may become it.
    pub trust: Policy,
    /// What it may do.
    pub policies: Vec<Policy>,
}

impl Role {
    /// The providers that its trust policy names.
    pub(crate) fn trusted_providers(&self) -> impl Iterator<Item = &str> {
        self.trust
            .statement
            .iter()
            .filter_map(|statement| match &statement.principal {
                Some(Principal::Named(named)) => Some(&named.federated),
                _ => None,
            })
            .flatten()
            .map(String::as_str)
    }
}

/// An S3 bucket.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// Its bucket policy.
    pub policy: Option<Policy>,
}

/// A world file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// It or a file that it names cannot be read.
    #[error("read the world")]
    Read(#[from] std::io::Error),
    /// It or a file that it names does not hold what it should.
    #[error("{file}: {reason}")]
    Content {
        /// The file.
        file: Utf8PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accounts: BTreeMap<String, AccountFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    #[serde(default)]
    oidc_providers: Vec<ProviderFile>,
    #[serde(default)]
    roles: BTreeMap<String, RoleFile>,
    #[serde(default)]
    buckets: BTreeMap<String, BucketFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    issuer: String,
    client_ids: Vec<String>,
    ca: Option<Utf8PathBuf>,
    address: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    trust: Document,
    #[serde(default)]
    policies: Vec<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketFile {
    policy: Option<Document>,
}

/// A policy: a path to a JSON file, from the world file's folder, or the policy itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Path(Utf8PathBuf),
    Here(serde_json::Value),
}

impl World {
    /// Reads a file: JSON if its name ends so, else TOML.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn load(file: &Utf8Path) -> Result<World, WorldError> {
        let text = fs_err::read_to_string(file)?;
        let content = |reason| WorldError::Content {
            file: file.to_owned(),
            reason,
        };
        let read: File = if file.extension() == Some("json") {
            serde_json::from_str(&text).map_err(|e| content(e.to_string()))?
        } else {
            toml::from_str(&text).map_err(|e| content(e.to_string()))?
        };
        let reader = Reader {
            file,
            folder: file.parent().unwrap_or(Utf8Path::new("")),
        };
        let mut world = World::default();
        for (number, account) in read.accounts {
            let account = reader.account(account)?;
            world.accounts.insert(number, account);
        }
        world.check().map_err(content)?;
        Ok(world)
    }

    /// What a world must be, whoever made it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut owners = BTreeMap::new();
        for (number, account) in &self.accounts {
            if number.len() != 12 || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!("{number:?} is no account's number: those have 12 digits"));
            }
            if let Some(provider) = account.providers.iter().find(|p| p.issuer.scheme() != "https") {
                return Err(format!("the issuer {} has no https URL", provider.issuer));
            }
            for bucket in account.buckets.keys() {
                if let Some(other) = owners.insert(bucket, number) {
                    return Err(format!("bucket {bucket} is in the accounts {other} and {number}"));
                }
            }
        }
        Ok(())
    }

    /// A role by ARN, with its account and name.
    #[must_use]
    pub fn role(&self, arn: &str) -> Option<(&str, &str, &Role)> {
        let (number, name) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
        let (number, account) = self.accounts.get_key_value(number)?;
        let (name, role) = account.roles.get_key_value(name)?;
        Some((number, name, role))
    }

    /// A bucket, with its account.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Option<(&str, &Bucket)> {
        self.accounts
            .iter()
            .find_map(|(number, account)| Some((number.as_str(), account.buckets.get(name)?)))
    }
}

struct Reader<'a> {
    file: &'a Utf8Path,
    folder: &'a Utf8Path,
}

impl Reader<'_> {
    fn account(&self, read: AccountFile) -> Result<Account, WorldError> {
        let mut account = Account::default();
        for provider in read.oidc_providers {
            let ca_pem = match provider.ca {
                None => None,
                Some(path) => Some(fs_err::read_to_string(self.folder.join(path))?),
            };
            let issuer = Url::parse(&provider.issuer).map_err(|e| WorldError::Content {
                file: self.file.to_owned(),
                reason: format!("the issuer {:?} is no URL: {e}", provider.issuer),
            })?;
            account.providers.push(Provider {
                issuer,
                client_ids: provider.client_ids,
                ca_pem,
                address: provider.address,
            });
        }
        for (name, role) in read.roles {
            let policies = role.policies.into_iter().map(|p| self.policy(p));
            let role = Role {
                policies: policies.collect::<Result<_, _>>()?,
                trust: self.policy(role.trust)?,
            };
            account.roles.insert(name, role);
        }
        for (name, bucket) in read.buckets {
            let policy = bucket.policy.map(|p| self.policy(p)).transpose()?;
            account.buckets.insert(name, Bucket { policy });
        }
        Ok(account)
    }

    fn policy(&self, document: Document) -> Result<Policy, WorldError> {
        match document {
            Document::Path(path) => read_json(&self.folder.join(path)),
            Document::Here(value) => serde_json::from_value(value).map_err(|e| WorldError::Content {
                file: self.file.to_owned(),
                reason: e.to_string(),
            }),
        }
    }
}

fn read_json<T: DeserializeOwned>(file: &Utf8Path) -> Result<T, WorldError> {
    serde_json::from_str(&fs_err::read_to_string(file)?).map_err(|e| WorldError::Content {
        file: file.to_owned(),
        reason: e.to_string(),
    })
}
