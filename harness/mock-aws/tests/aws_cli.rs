//! The unmodified AWS CLI against the server: what works, and each cause of failure by itself, named in the ledger.
//!
//! Needs python3, and the CLI's packages in the folder that [`AWS_CLI_VARIABLE`] names: `cargo xtask test` installs them. Without the variable every
//! trial is ignored and says so.

mod support;

use std::process::{Command, ExitCode};

use camino_tempfile::Utf8TempDir;
use harness_model::AWS_CLI_VARIABLE;
use jsonwebtoken::Algorithm;
use libtest_mimic::{Arguments, Failed, Trial};
use mock_aws::{Builder, Defect, Server, TlsIdentity};
use serde_json::{Value, json};
use support::{FOREIGN, Issuer, Key, LEAST, ROLE, STRANGE_ROLE, WIDE, assume, element, last_reason, world};

/// What stands in place of the kind of an ignored trial.
const NEEDED: &str = "needs the AWS CLI: cargo xtask test";

type Done = Result<(), Failed>;

fn main() -> ExitCode {
    let installed = std::env::var(AWS_CLI_VARIABLE).ok();
    let trial = |name: &'static str, test: fn(&str) -> Done| match installed.clone() {
        Some(folder) => Trial::test(name, move || test(&folder)),
        None => Trial::test(name, || Ok(()))
            .with_kind(NEEDED)
            .with_ignored_flag(true),
    };
    let trials = vec![
        trial("it_works_as_the_guide_has_it", works),
        trial(
            "least_privilege_lists_reads_and_writes_but_does_not_delete",
            least,
        ),
        trial("a_bucket_of_another_account_that_says_nothing_is_closed", foreign),
        trial("without_role_arn_nothing_is_asked", without_role_arn),
        trial("without_token_file_nothing_is_asked", without_token_file),
        trial("each_wrong_token_is_refused_with_its_reason", wrong_tokens),
        trial("session_credentials_are_held_to_what_they_are", sessions),
        trial("each_defect_of_sessions_lets_its_case_pass", session_defects),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// An issuer, a server behind TLS, and what a pod of EKS has: a token file and two variables.
struct Stand {
    runtime: tokio::runtime::Runtime,
    issuer: Issuer,
    server: Server,
    folder: Utf8TempDir,
    python_path: String,
}

/// What the CLI did.
struct Ran {
    success: bool,
    out: String,
    err: String,
}

impl Stand {
    fn new(python_path: &str, defect: Option<Defect>) -> Result<Stand, Failed> {
        let runtime = tokio::runtime::Runtime::new()?;
        let folder = camino_tempfile::tempdir()?;
        let identity = TlsIdentity::generate(&["127.0.0.1".to_owned()])?;
        fs_err::write(folder.path().join("ca.pem"), &identity.ca_pem)?;
        let (issuer, server) = runtime.block_on(async {
            let issuer = Issuer::start(Algorithm::RS256).await;
            let builder = Builder::default().world(world(&issuer)).tls(Some(identity));
            let builder = defect.into_iter().fold(builder, Builder::defect);
            let server = builder.start().await?;
            Ok::<_, Failed>((issuer, server))
        })?;
        let stand = Stand {
            runtime,
            issuer,
            server,
            folder,
            python_path: python_path.to_owned(),
        };
        stand.lay_token(&stand.issuer.token(&json!({})))?;
        Ok(stand)
    }

    fn lay_token(&self, token: &str) -> Done {
        fs_err::write(self.folder.path().join("token"), token)?;
        Ok(())
    }

    /// Runs the CLI with what a pod has.
    fn aws(&self, arguments: &[&str]) -> Result<Ran, Failed> {
        let token = self.folder.path().join("token");
        self.run(
            arguments,
            &[
                ("AWS_ROLE_ARN", ROLE),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ],
        )
    }

    /// Runs the CLI with these variables, and those without which it would look elsewhere.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Ran, Failed> {
        let output = Command::new("python3")
            .args(["-m", "awscli"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("PYTHONPATH", &self.python_path)
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_CA_BUNDLE", self.folder.path().join("ca.pem"))
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .envs(variables.iter().copied())
            .output()?;
        Ok(Ran {
            success: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A session's variables, asked for without the CLI.
    fn session(&self) -> Result<[(&'static str, String); 3], Failed> {
        let plain = format!("{}", self.folder.path().join("ca.pem"));
        let answer = self.runtime.block_on(assume(
            &self.server,
            ROLE,
            &self.issuer.token(&json!({})),
            Some(&fs_err::read_to_string(plain)?),
        ));
        let answer = answer.1;
        Ok([
            ("AWS_ACCESS_KEY_ID", element(&answer, "AccessKeyId").to_owned()),
            (
                "AWS_SECRET_ACCESS_KEY",
                element(&answer, "SecretAccessKey").to_owned(),
            ),
            ("AWS_SESSION_TOKEN", element(&answer, "SessionToken").to_owned()),
        ])
    }
}

impl Ran {
    fn succeeded(self) -> Result<String, Failed> {
        if self.success {
            Ok(self.out)
        } else {
            Err(format!("the CLI failed: {}", self.err).into())
        }
    }

    fn failed_with(&self, words: &str) -> Done {
        let message = format!("the CLI is to fail with {words:?}: {} {}", self.out, self.err);
        holds(!self.success && self.err.contains(words), &message)
    }
}

fn holds(condition: bool, sentence: &str) -> Done {
    if condition {
        Ok(())
    } else {
        Err(format!("does not hold: {sentence}").into())
    }
}

fn is(what: &str, seen: &str, wanted: &str) -> Done {
    holds(seen == wanted, &format!("{what} = {seen:?}, wanted {wanted:?}"))
}

fn works(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;
    fs_err::write(stand.folder.path().join("up.txt"), "from the runner\n")?;
    let object = format!("s3://{WIDE}/some/key.txt");

    let caller = stand.aws(&["sts", "get-caller-identity"])?.succeeded()?;
    stand.aws(&["s3", "cp", "up.txt", &object])?.succeeded()?;
    let listed = stand
        .aws(&["s3", "ls", &format!("s3://{WIDE}/some/")])?
        .succeeded()?;
    stand.aws(&["s3", "cp", &object, "down.txt"])?.succeeded()?;
    stand
        .aws(&["s3api", "head-object", "--bucket", WIDE, "--key", "some/key.txt"])?
        .succeeded()?;
    stand.aws(&["s3", "rm", &object])?.succeeded()?;
    let gone = stand.aws(&["s3api", "head-object", "--bucket", WIDE, "--key", "some/key.txt"])?;

    let caller: Value = serde_json::from_str(&caller)?;
    let arn = caller["Arn"].as_str().unwrap_or_default();
    holds(
        arn.starts_with("arn:aws:sts::111122223333:assumed-role/actions-runner-role/"),
        &format!("the caller is a session of the role: {arn}"),
    )?;
    holds(
        listed.contains("16 key.txt"),
        &format!("the list has the object: {listed}"),
    )?;
    let down = fs_err::read_to_string(stand.folder.path().join("down.txt"))?;
    is("what was stored", &down, "from the runner\n")?;
    gone.failed_with("404")?;
    let refused: Vec<_> = stand
        .server
        .ledger()
        .records()
        .into_iter()
        .filter(|r| !r.allowed)
        .collect();
    holds(refused.is_empty(), &format!("nothing was refused: {refused:?}"))
}

fn least(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;
    fs_err::write(stand.folder.path().join("up.txt"), "x")?;
    let object = format!("s3://{LEAST}/key.txt");

    stand.aws(&["s3", "cp", "up.txt", &object])?.succeeded()?;
    stand.aws(&["s3", "ls", &format!("s3://{LEAST}")])?.succeeded()?;
    stand.aws(&["s3", "cp", &object, "down.txt"])?.succeeded()?;
    for action in ["get-object-acl", "put-object-acl"] {
        let acl: &[&str] = if action == "put-object-acl" {
            &["--acl", "private"]
        } else {
            &[]
        };
        let arguments = [&["s3api", action, "--bucket", LEAST, "--key", "key.txt"], acl].concat();
        stand.aws(&arguments)?.succeeded()?;
    }
    let removed = stand.aws(&["s3", "rm", &object])?;

    removed.failed_with("AccessDenied")?;
    is("the last reason", &last_reason(&stand.server), "bucket-policy")
}

fn foreign(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;

    stand
        .aws(&["s3", "ls", &format!("s3://{FOREIGN}")])?
        .failed_with("AccessDenied")?;

    is("the last reason", &last_reason(&stand.server), "bucket-policy")?;
    let open = Stand::new(cli, Some(Defect::NoBucketPolicy))?;
    open.aws(&["s3", "ls", &format!("s3://{FOREIGN}")])?.succeeded()?;
    Ok(())
}

fn without_role_arn(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;
    let token = stand.folder.path().join("token");

    let ran = stand.run(
        &["sts", "get-caller-identity"],
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str())],
    )?;

    ran.failed_with("AWS_ROLE_ARN")?;
    let asked = stand.server.ledger().records();
    holds(
        asked.is_empty(),
        &format!("the server was asked nothing: {asked:?}"),
    )
}

fn without_token_file(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;

    let ran = stand.run(&["sts", "get-caller-identity"], &[("AWS_ROLE_ARN", ROLE)])?;
    let dangling = stand.run(
        &["sts", "get-caller-identity"],
        &[("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "absent")],
    )?;

    ran.failed_with("Unable to locate credentials")?;
    dangling.failed_with("No such file or directory: 'absent'")?;
    let asked = stand.server.ledger().records();
    holds(
        asked.is_empty(),
        &format!("the server was asked nothing: {asked:?}"),
    )
}

fn wrong_tokens(cli: &str) -> Done {
    let stand = Stand::new(cli, None)?;
    let issuer = &stand.issuer;
    let other = stand.runtime.block_on(Issuer::start(Algorithm::RS256));
    // Of the same id as the issuer's own key, and of another.
    let (forger, stranger) = (
        Key::new(Algorithm::RS256, "first"),
        Key::new(Algorithm::RS256, "second"),
    );
    let good = issuer.token(&json!({}));
    let cases = [
        (
            ROLE,
            issuer.token(&json!({"sub": "system:serviceaccount:actions-runner:default"})),
            "AccessDenied",
            "trust-condition",
        ),
        (
            ROLE,
            issuer.token(&json!({"aud": ["https://kubernetes.default.svc"]})),
            "InvalidIdentityToken",
            "audience",
        ),
        (
            ROLE,
            issuer.token(&json!({"exp": 1_600_000_000})),
            "ExpiredToken",
            "expired-token",
        ),
        (
            ROLE,
            forger.sign(&issuer.claims()),
            "InvalidIdentityToken",
            "token-signature",
        ),
        (
            ROLE,
            stranger.sign(&issuer.claims()),
            "InvalidIdentityToken",
            "unknown-key",
        ),
        (
            ROLE,
            other.token(&json!({})),
            "InvalidIdentityToken",
            "unknown-issuer",
        ),
        (STRANGE_ROLE, good, "AccessDenied", "trusted-provider"),
    ];

    for (role, token, code, reason) in cases {
        stand.lay_token(&token)?;
        let file = stand.folder.path().join("token");
        let ran = stand.run(
            &["sts", "get-caller-identity"],
            &[
                ("AWS_ROLE_ARN", role),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", file.as_str()),
            ],
        )?;

        ran.failed_with(code)?;
        is("the last reason", &last_reason(&stand.server), reason)?;
    }
    Ok(())
}

/// Ways to use a session wrongly: what is changed, S3's and STS's code, the reason, and the defect that takes it.
const MISUSES: [(&str, &str, &str, &str, Option<Defect>); 4] = [
    (
        "AWS_SESSION_TOKEN",
        "InvalidToken",
        "InvalidClientTokenId",
        "session-token",
        Some(Defect::NoSessionToken),
    ),
    (
        "",
        "ExpiredToken",
        "ExpiredToken",
        "expired-session",
        Some(Defect::EternalSessions),
    ),
    (
        "AWS_SECRET_ACCESS_KEY",
        "SignatureDoesNotMatch",
        "SignatureDoesNotMatch",
        "request-signature",
        None,
    ),
    (
        "AWS_ACCESS_KEY_ID",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "unknown-access-key",
        None,
    ),
];

/// Uses a session with one variable changed, or after its end: S3 and STS.
fn misuse(stand: &Stand, changed: &str) -> Result<[(Ran, String); 2], Failed> {
    let session = stand.session()?;
    let mut variables: Vec<(&str, &str)> = session
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    for variable in &mut variables {
        if variable.0 == changed {
            variable.1 = "ASIAAAAAAAAAAAAAAAAA";
        }
    }
    if changed.is_empty() {
        stand.server.clock().advance(3601);
    }
    let s3 = stand.run(&["s3", "ls", &format!("s3://{WIDE}")], &variables)?;
    let of_s3 = last_reason(&stand.server);
    let sts = stand.run(&["sts", "get-caller-identity"], &variables)?;
    Ok([(s3, of_s3), (sts, last_reason(&stand.server))])
}

fn sessions(cli: &str) -> Done {
    for (changed, s3_code, sts_code, reason, _) in MISUSES {
        let stand = Stand::new(cli, None)?;

        let [(s3, of_s3), (sts, of_sts)] = misuse(&stand, changed)?;

        s3.failed_with(s3_code)?;
        sts.failed_with(sts_code)?;
        is("S3's reason", &of_s3, reason)?;
        is("STS's reason", &of_sts, reason)?;
    }
    Ok(())
}

fn session_defects(cli: &str) -> Done {
    for (changed, .., reason, defect) in MISUSES {
        let Some(defect) = defect else { continue };
        let stand = Stand::new(cli, Some(defect))?;

        for (ran, _) in misuse(&stand, changed)? {
            ran.succeeded()
                .map_err(|e| format!("{defect} takes {reason}: {e:?}"))?;
        }
    }
    let stand = Stand::new(cli, Some(Defect::UnsignedIdentity))?;
    let [_, (sts, _)] = misuse(&stand, "AWS_SECRET_ACCESS_KEY")?;
    sts.succeeded()?;
    Ok(())
}
