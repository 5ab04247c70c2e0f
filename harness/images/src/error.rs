//! Why an image could not be had. Each message is one sentence with its cure.

use std::io;

use harness_artifacts::ArtifactError;
use harness_model::Exit;

/// An image could not be built or listed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image has this name.
    #[error("there is no image `{name}`; there is: {known}")]
    Unknown {
        /// As asked for.
        name: String,
        /// What exists.
        known: String,
    },
    /// No Docker engine answers.
    #[error(
        "no Docker engine answers here ({cause}); start one, or take `--cluster local`, which needs none"
    )]
    NoEngine {
        /// Docker's own words.
        cause: String,
    },
    /// An engine answers, but one that nothing here was tried on.
    #[error(
        "{engine} is no engine for these images; take a Docker engine that runs as root, or `--cluster local`, which needs none"
    )]
    OtherEngine {
        /// What it is, with its version.
        engine: String,
    },
    /// The engine refused an image.
    #[error("the Docker engine refused image {image} ({cause}); mend that and run again")]
    Refused {
        /// The image.
        image: String,
        /// Docker's own words.
        cause: String,
    },
    /// A part of the image cannot be had.
    #[error(transparent)]
    Part(#[from] ArtifactError),
    /// A program cannot be read, or the temporary folder is full.
    #[error("the layer of image {image} cannot be written ({cause}); mend that and run again")]
    Read {
        /// The image.
        image: String,
        /// Why.
        cause: io::Error,
    },
    /// The output cannot be written.
    #[error("the table of images cannot be written ({0})")]
    Output(io::Error),
}

impl ImageError {
    /// What it means for the exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            ImageError::Unknown { .. } => Exit::Usage,
            ImageError::Part(error) => error.exit(),
            _ => Exit::Environment,
        }
    }
}
