use harness_node::*;
#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .unwrap();
    let a: Vec<String> = std::env::args().collect();
    let config = kube::Config::from_kubeconfig(&Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let d = &a[1];
    let r = |n: &str| std::fs::read_to_string(format!("{d}/{n}")).unwrap();
    let t = std::time::Instant::now();
    let node = start(
        client,
        NodeConfig {
            name: "local".into(),
            address: "10.99.0.1".parse().unwrap(),
            port: 10250,
            serving: Tls {
                cert_pem: r("node.crt"),
                key_pem: r("node.key"),
            },
            client_ca_pem: r("ca.crt"),
            state: format!("{d}/state").into(),
            pod_init: a[2].clone().into(),
            images: ImageTable::standard("/bin/sleep".into()),
            service_host: ("10.99.0.1".into(), 443),
            logs: Some(format!("{d}/podlogs").into()),
            host_files: vec![HostFile {
                path: "/etc/hosts".into(),
                content: "127.0.0.1 localhost\n10.99.0.1 ghes.test\n".into(),
            }],
        },
    )
    .await
    .unwrap();
    println!("node up in {:?}", t.elapsed());
    tokio::signal::ctrl_c().await.unwrap();
    println!("shutting down");
    let t = std::time::Instant::now();
    println!("{:?} {:?}", node.shutdown().await, t.elapsed());
}
