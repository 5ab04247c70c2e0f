//! In place of kube-proxy: a port at which whichever replica listens answers, as behind a Service.
//!
//! What it is not: it looks into nothing that it passes on, so the certificate is still verified end to end.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Listens at `port` until `stop`, and passes each connection to the first of `replicas` that takes it, beginning with another one each
/// time.
pub(crate) async fn start(
    port: u16,
    replicas: Vec<u16>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let connections = tasks.clone();
    tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
        let mut first = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let mut order = replicas.clone();
            order.rotate_left(first);
            first = (first + 1) % replicas.len();
            connections.spawn(stop.clone().run_until_cancelled_owned(pass(stream, order)));
        }
    }));
    Ok(())
}

async fn pass(mut stream: TcpStream, replicas: Vec<u16>) {
    for port in replicas {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Ok(mut replica) = TcpStream::connect(address).await {
            // How it ends is for the two ends to say.
            let _ = copy_bidirectional(&mut stream, &mut replica).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn greeter(word: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(word).await;
            }
        });
        port
    }

    async fn closed_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("it is bound").port()
    }

    #[tokio::test]
    async fn a_replica_that_is_gone_is_passed_over() {
        let (dead, alive) = (closed_port().await, greeter(b"alive").await);
        let port = closed_port().await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        start(port, vec![dead, alive], &tasks, stop.clone())
            .await
            .expect("the port is free");

        for _ in 0..3 {
            let mut answer = String::new();
            TcpStream::connect(("127.0.0.1", port))
                .await
                .expect("it listens")
                .read_to_string(&mut answer)
                .await
                .expect("the greeter writes and closes");

            assert_eq!(answer, "alive");
        }

        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
