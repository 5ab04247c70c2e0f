//! Secrets and ConfigMaps that a container or a volume refers to, fetched once so that what is made of them is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Secret,
    ConfigMap,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        })
    }
}

/// References to fetch.
pub(crate) type Wanted = BTreeSet<(Kind, String)>;

/// Values by key.
pub(crate) type Data = BTreeMap<String, Vec<u8>>;

/// What was found. Not `Debug`: it holds secrets.
#[derive(Default)]
pub(crate) struct Objects {
    found: BTreeMap<(Kind, String), Data>,
}

impl Objects {
    /// Fetches all references of one namespace. What does not exist is simply not found.
    pub(crate) async fn fetch(
        client: &kube::Client,
        namespace: &str,
        wanted: Wanted,
    ) -> Result<Self, kube::Error> {
        let one = async |(kind, name): (Kind, String)| {
            let data = match kind {
                Kind::Secret => {
                    let secret = Api::<Secret>::namespaced(client.clone(), namespace)
                        .get_opt(&name)
                        .await?;
                    secret.map(secret_data)
                }
                Kind::ConfigMap => {
                    let map = Api::<ConfigMap>::namespaced(client.clone(), namespace)
                        .get_opt(&name)
                        .await?;
                    map.map(config_map_data)
                }
            };
            Ok::<_, kube::Error>(data.map(|data| ((kind, name), data)))
        };
        let found = try_join_all(wanted.into_iter().map(one)).await?;
        Ok(Self {
            found: found.into_iter().flatten().collect(),
        })
    }

    /// The values of an object, or the sentence a kubelet has for its absence.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> Result<&Data, String> {
        self.find(kind, name)
            .ok_or_else(|| format!("{kind} {name:?} not found"))
    }

    /// The values of an object that may be absent.
    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<&Data> {
        self.found.get(&(kind, name.to_owned()))
    }

    #[cfg(test)]
    pub(crate) fn with(mut self, kind: Kind, name: &str, values: &[(&str, &str)]) -> Self {
        let data = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        self.found.insert((kind, name.to_owned()), data);
        self
    }
}

fn secret_data(secret: Secret) -> Data {
    secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect()
}

fn config_map_data(map: ConfigMap) -> Data {
    let text = map
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.into_bytes()));
    let binary = map
        .binary_data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0));
    text.chain(binary).collect()
}
