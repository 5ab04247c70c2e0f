//! Which cluster a run takes, and why.

use clap::ValueEnum;
use harness_model::{ClusterChoice, TargetCluster};
use xshell::{Shell, cmd};

use crate::refusal::Refusal;

/// `--cluster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    /// What this machine can do; the report says which, and why
    Auto,
    /// Control plane, cert-manager and ARC as processes in namespaces of the run's own
    Local,
    /// A kind cluster (not part of this version)
    Kind,
    /// A cluster that is there already (not part of this version)
    Existing,
}

impl From<TargetCluster> for Wanted {
    fn from(cluster: TargetCluster) -> Wanted {
        match cluster {
            TargetCluster::Auto => Wanted::Auto,
            TargetCluster::Local => Wanted::Local,
            TargetCluster::Kind => Wanted::Kind,
        }
    }
}

/// The version of the Docker engine that answers, if one does.
pub(super) fn docker_engine() -> Option<String> {
    let shell = Shell::new().ok()?;
    // An engine at an address that drops packets would take half a minute to say no.
    cmd!(
        shell,
        "timeout 3 docker version --format '{{{{.Server.Version}}}}'"
    )
    .quiet()
    .ignore_stderr()
    .read()
    .ok()
    .filter(|version| !version.is_empty())
}

/// The cluster to use and the reason for it. `docker` is asked only if the answer matters.
pub(super) fn choose(
    wanted: Wanted,
    docker: impl FnOnce() -> Option<String>,
) -> Result<(ClusterChoice, String), Refusal> {
    match wanted {
        Wanted::Local => Ok((ClusterChoice::Local, "--cluster local".to_owned())),
        Wanted::Auto => Ok((
            ClusterChoice::Local,
            match docker() {
                Some(version) => {
                    format!("auto: Docker {version} answers, but kind is not built yet, so local")
                }
                None => "auto: no Docker engine answers, so local".to_owned(),
            },
        )),
        Wanted::Kind => Err(Refusal::environment(match docker() {
            Some(_) => "--cluster kind: kind is not built yet; take --cluster local",
            None => "--cluster kind: no Docker engine answers here; take --cluster local, which needs none",
        })),
        Wanted::Existing => Err(Refusal::usage(
            "--cluster existing: running in a cluster of one's own is not part of this version; take --cluster local",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_docker() -> Option<String> {
        None
    }

    fn docker() -> Option<String> {
        Some("28.1.1".to_owned())
    }

    #[test]
    fn auto_takes_local_and_says_why() {
        let (without, why_without) = choose(Wanted::Auto, no_docker).expect("auto always finds one");
        let (with, why_with) = choose(Wanted::Auto, docker).expect("auto always finds one");

        assert_eq!((without, with), (ClusterChoice::Local, ClusterChoice::Local));
        assert!(why_without.contains("no Docker"), "{why_without}");
        assert!(
            why_with.contains("28.1.1") && why_with.contains("not built yet"),
            "{why_with}"
        );
    }

    #[test]
    fn kind_is_refused_with_an_offer_of_local() {
        for engine in [no_docker as fn() -> Option<String>, docker] {
            let refusal = choose(Wanted::Kind, engine).expect_err("kind is not there yet");

            assert!(refusal.to_string().contains("take --cluster local"), "{refusal}");
            assert_eq!(
                crate::refusal::exit_of(&refusal.into()),
                harness_model::Exit::Environment
            );
        }
    }

    #[test]
    fn docker_is_not_asked_for_a_local_cluster() {
        let chosen = choose(Wanted::Local, || panic!("nobody needs to know")).expect("local is always there");

        assert_eq!(chosen.0, ClusterChoice::Local);
    }
}
