//! What the guide looks at after installing: API resources, programs, issuer and certificate, the chart.
//!
//! Source: the guide's sections on installing cert-manager and ARC. Not covered: that pods run (`kubectl get pod`), since on the
//! local cluster cert-manager and ARC are processes.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use serde_json::Value;

use crate::table;

pub(crate) const API_RESOURCES: Scenario = Scenario {
    check: || {
        Check {
        id: "verify-install::api-resources".into(),
        claim: "cert-manager's and ARC's kinds are served with the names and short names that the guide lists".into(),
        grounds: "the guide: `kubectl api-resources --categories cert-manager` and `kubectl api-resources | grep runner`".into(),
        not_covered: "fields of the kinds".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![14],
    }
    },
    run: |context| api_resources(context).boxed(),
};

pub(crate) const PROGRAMS: Scenario = Scenario {
    check: || Check {
        id: "verify-install::programs".into(),
        claim: "cert-manager's three programs and ARC's manager are up".into(),
        grounds: "the guide: every pod of cert-manager and of ARC is Running".into(),
        not_covered: "restarts by Kubernetes: on the local cluster they are processes".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![22],
    },
    run: |context| programs(context).boxed(),
};

pub(crate) const CERTIFICATE: Scenario = Scenario {
    check: || Check {
        id: "verify-install::certificate".into(),
        claim: "ARC's issuer and certificate are READY as the guide prints them".into(),
        grounds: "the guide: `kubectl get issuer,certificate -n actions-runner-system -o wide`".into(),
        not_covered: "renewal".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![22],
    },
    run: |context| certificate(context).boxed(),
};

pub(crate) const CHART: Scenario = Scenario {
    check: || Check {
        id: "verify-install::chart".into(),
        claim: "what is installed is what Helm says of the chart, with the pinned Helm".into(),
        grounds: "the guide: `helm list -n actions-runner-system` names chart and app version".into(),
        not_covered: "a Helm release: on the local cluster the chart is rendered, not released".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![14],
    },
    run: |context| chart(context).boxed(),
};

/// As the guide prints them: NAME, SHORTNAMES, APIVERSION, NAMESPACED, KIND.
const ARC_RESOURCES: [[&str; 5]; 5] = [
    [
        "horizontalrunnerautoscalers",
        "hra",
        "actions.summerwind.dev/v1alpha1",
        "true",
        "HorizontalRunnerAutoscaler",
    ],
    [
        "runnerdeployments",
        "rdeploy",
        "actions.summerwind.dev/v1alpha1",
        "true",
        "RunnerDeployment",
    ],
    [
        "runnerreplicasets",
        "rrs",
        "actions.summerwind.dev/v1alpha1",
        "true",
        "RunnerReplicaSet",
    ],
    ["runners", "", "actions.summerwind.dev/v1alpha1", "true", "Runner"],
    [
        "runnersets",
        "",
        "actions.summerwind.dev/v1alpha1",
        "true",
        "RunnerSet",
    ],
];

/// As the guide prints them.
const CERT_MANAGER_RESOURCES: [[&str; 5]; 6] = [
    ["challenges", "", "acme.cert-manager.io/v1", "true", "Challenge"],
    ["orders", "", "acme.cert-manager.io/v1", "true", "Order"],
    [
        "certificaterequests",
        "cr,crs",
        "cert-manager.io/v1",
        "true",
        "CertificateRequest",
    ],
    [
        "certificates",
        "cert,certs",
        "cert-manager.io/v1",
        "true",
        "Certificate",
    ],
    [
        "clusterissuers",
        "",
        "cert-manager.io/v1",
        "false",
        "ClusterIssuer",
    ],
    ["issuers", "", "cert-manager.io/v1", "true", "Issuer"],
];

async fn api_resources(context: Context) -> anyhow::Result<()> {
    let cert_manager = context
        .kubectl(&["api-resources", "--categories", "cert-manager"])
        .await?;
    let arc = context
        .kubectl(&["api-resources", "--api-group", "actions.summerwind.dev"])
        .await?;

    expect_equal(
        "cert-manager's API resources",
        &rows(&CERT_MANAGER_RESOURCES),
        &api_rows(&cert_manager),
    )?;
    expect_equal("ARC's API resources", &rows(&ARC_RESOURCES), &api_rows(&arc))?;
    Ok(())
}

fn rows<const N: usize>(table: &[[&str; 5]; N]) -> BTreeSet<Vec<String>> {
    table.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
}

fn api_rows(output: &str) -> BTreeSet<Vec<String>> {
    let headings = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"];
    table::read(output)
        .iter()
        .flat_map(|table| table.columns(&headings))
        .collect()
}

#[expect(clippy::unused_async, reason = "a scenario is a future")]
async fn programs(context: Context) -> anyhow::Result<()> {
    let wanted = [
        "cert-manager-webhook",
        "cert-manager-cainjector",
        "cert-manager-controller",
        "arc-manager",
    ];

    for name in wanted {
        let program = context
            .programs()
            .into_iter()
            .find(|program| program.name() == name);
        let seen = program.map_or_else(
            || "not started".to_owned(),
            |program| {
                program
                    .exited()
                    .map_or_else(|| "running".to_owned(), |exited| format!("ended: {exited}"))
            },
        );
        expect(format!("{name} running"), seen == "running", seen)?;
    }
    Ok(())
}

async fn certificate(context: Context) -> anyhow::Result<()> {
    let output = context
        .kubectl(&[
            "get",
            "issuer,certificate",
            "-n",
            "actions-runner-system",
            "-o",
            "wide",
        ])
        .await?;
    let tables = table::read(&output);

    let issuers = cells(&tables, "issuer.cert-manager.io/", &["NAME", "READY"]);
    let issuer = vec![
        "issuer.cert-manager.io/actions-runner-controller-selfsigned-issuer",
        "True",
    ];
    expect(
        "the guide's issuer READY True",
        issuers.contains(&owned(&issuer)),
        format!("{issuers:?}"),
    )?;
    let certificates = cells(
        &tables,
        "certificate.cert-manager.io/",
        &["NAME", "READY", "SECRET", "ISSUER", "STATUS"],
    );
    let certificate = owned(&[
        "certificate.cert-manager.io/actions-runner-controller-serving-cert",
        "True",
        "actions-runner-controller-serving-cert",
        "actions-runner-controller-selfsigned-issuer",
        "Certificate is up to date and has not expired",
    ]);
    expect_equal(
        "certificates (NAME, READY, SECRET, ISSUER, STATUS)",
        &vec![certificate],
        &certificates,
    )?;
    Ok(())
}

fn cells(tables: &[table::Table], prefix: &str, headings: &[&str]) -> Vec<Vec<String>> {
    let all = tables.iter().flat_map(|table| table.columns(headings));
    all.filter(|row| row.first().is_some_and(|name| name.starts_with(prefix)))
        .collect()
}

fn owned(row: &[&str]) -> Vec<String> {
    row.iter().map(|cell| (*cell).to_owned()).collect()
}

async fn chart(context: Context) -> anyhow::Result<()> {
    let helm = context.helm(&["version", "--short"]).await?;
    let shown = context
        .helm(&["show", "chart", context.arc_chart().as_str()])
        .await?;
    let chart: Value = harness_yaml::manifest(&shown).context("read what helm shows")?;
    let installed = [
        "get",
        "serviceaccount",
        "actions-runner-controller",
        "-n",
        "actions-runner-system",
        "-o",
        "json",
    ];
    let account = context.kubectl(&installed).await?;
    let account: Value = serde_json::from_str(&account).context("read the service account")?;

    expect(
        "helm version v3.18.4",
        helm.trim().starts_with("v3.18.4"),
        helm.trim(),
    )?;
    let label = |name: &str| {
        account["metadata"]["labels"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let text = |name: &str| chart[name].as_str().unwrap_or_default().to_owned();
    let (name, version, app_version) = (text("name"), text("version"), text("appVersion"));
    expect_equal(
        "helm.sh/chart of the installed service account",
        &format!("{name}-{version}"),
        &label("helm.sh/chart"),
    )?;
    expect_equal(
        "app version of the installed service account",
        &app_version,
        &label("app.kubernetes.io/version"),
    )?;
    context.observe(format!("chart {name}-{version}, made for {app_version}"));
    Ok(())
}
