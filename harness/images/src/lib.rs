//! Container images of the real parts, made here: no registry is asked, nothing is pulled.
//!
//! An image is a few programs that `harness-artifacts` has resolved, in one layer, with what its upstream's image says of user and
//! entry point. Its tag is the digest of all that goes in, so what is unchanged is there already. What it is not: a base image,
//! a runner image or a kind node; nothing here starts a container. [`cli`] is the command line of `cargo xtask images`.

pub mod cli;
mod engine;
mod error;
mod image;
mod layer;

pub use engine::Engine;
pub use error::ImageError;
pub use image::{IMAGES, Image, Program};
pub use layer::Content;
