//! Just enough of AWS for IAM roles for service accounts: STS that really verifies a web identity token, and S3 that enforces the policies
//! of the role and of the bucket, over several accounts.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let world = mock_aws::World::load("world.toml".into())?;
//! let server = mock_aws::Builder::default().world(world).start().await?;
//! // Set AWS_ENDPOINT_URL to server.url(); then ask why something was refused.
//! for record in server.ledger().records() {
//!     println!("{} {}", record.operation, record.reason());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`pod_identity`] is what a cluster adds to pods, as a function over JSON.
//!
//! What it is not: it talks to no Kubernetes and issues no tokens; an issuer is asked over HTTPS for its keys. No users, no access keys that last.

pub mod authorization;
mod clock;
mod defect;
mod issuer;
mod ledger;
pub mod pod_identity;
pub mod policy;
mod refusal;
mod s3;
mod server;
mod session;
mod sigv4;
mod sts;
mod tls;
mod token;
mod world;

pub use clock::Clock;
pub use defect::{Defect, Defects, UnknownDefect};
pub use ledger::{Ledger, Record, Subject};
pub use refusal::Refusal;
pub use server::{Builder, Server, StartError};
pub use tls::{TlsError, TlsIdentity};
pub use world::{Account, Bucket, Provider, Role, World, WorldError};
