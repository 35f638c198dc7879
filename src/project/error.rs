//! What can be wrong with a project, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::process::RunError;
use crate::setup::SetupError;
use crate::setup::error::how_to_get;

/// Why there is no project to work with, or why an image of it is not built.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// There is no file.
    #[error("there is no wharf.toml in {}, or above it", folder.display())]
    Absent {
        /// Where the search began.
        folder: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the project in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("cannot read the project in {} line {line}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the TOML reader says.
        reason: String,
    },
    /// A key that means nothing.
    #[error("cannot use `{key}` in {section} ({} line {line}): there is no such key", path.display())]
    UnknownKey {
        /// The key.
        key: String,
        /// The table that it stands in.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What may be meant.
        nearest: Option<&'static str>,
        /// What there is.
        known: &'static [&'static str],
    },
    /// A value of another form than its key has.
    #[error(
        "cannot use {found} as `{key}` in {section} ({} line {line}): it must be {expected}",
        path.display()
    )]
    Value {
        /// The key.
        key: String,
        /// The table that it stands in.
        section: &'static str,
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// An image without a name.
    #[error("the [[image]] in {} line {line} has no name", path.display())]
    Nameless {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// One name for two images.
    #[error("the image {name} stands twice in {}, again in line {line}", path.display())]
    Twice {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// The line of the second, from 1.
        line: usize,
    },
    /// A file without images.
    #[error("there is no [[image]] in {}", path.display())]
    NoImages {
        /// The file.
        path: PathBuf,
    },
    /// An image that is not in the file.
    #[error("the project has no image {typed}")]
    UnknownImage {
        /// What was typed.
        typed: String,
        /// What may be meant.
        nearest: Option<String>,
        /// What there is.
        names: Vec<String>,
    },
    /// Where a file is to be written, one stands already.
    #[error("there is {} already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder in which nothing can be built.
    #[error("there is no Containerfile and no Dockerfile in {}, or in the folders below", folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be looked through.
    #[error("cannot look through {}", path.display())]
    Look {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An image whose build would see nothing.
    #[error("cannot build {image}: there is no folder {}", path.display())]
    NoContext {
        /// The image.
        image: String,
        /// Where the folder should be.
        path: PathBuf,
    },
    /// An image whose build has no file.
    #[error("cannot build {image}: there is no {}", path.display())]
    NoContainerfile {
        /// The image.
        image: String,
        /// Where the file should be.
        path: PathBuf,
    },
    /// There is nothing to build with.
    #[error(transparent)]
    Engine(#[from] SetupError),
    /// A build that failed.
    #[error("cannot build {image}")]
    Build {
        /// The image.
        image: String,
        /// How it ended.
        #[source]
        source: RunError,
    },
}

impl ProjectError {
    /// Whether what was asked for cannot be, whatever the machine is like.
    pub fn is_misuse(&self) -> bool {
        !matches!(
            self,
            Self::Look { .. } | Self::Write { .. } | Self::Engine(_) | Self::Build { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Absent { .. } => {
                "`wharf init` writes one for what is in this folder; --file FILE names another"
            }
            Self::Read { .. } => "look at it, or name another file by --file FILE",
            Self::Toml { .. } => "each line is `key = value`, as in: name = \"moon-server:v1.0.0\"",
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                return Some(format!("`{nearest}` may be meant"));
            }
            Self::UnknownKey { known, .. } => {
                return Some(format!("there are: {}", known.join(", ")));
            }
            Self::Nameless { .. } => "give it one: name = \"moon-server:v1.0.0\"",
            Self::Twice { .. } => "give one of them another name or tag, or leave it out",
            Self::NoImages { .. } => {
                "write one: [[image]], and below it name = \"app:v1\" and context = \"FOLDER\""
            }
            Self::UnknownImage { nearest: Some(nearest), .. } => {
                return Some(format!("{nearest} may be meant"));
            }
            Self::UnknownImage { names, .. } => {
                return Some(format!("there are: {}", names.join(", ")));
            }
            Self::Exists { .. } => "--force writes it anew, --dry-run shows what would be written",
            Self::Nothing { .. } => {
                "run it in the folder of a project that has one, or write wharf.toml by hand"
            }
            Self::NoContext { .. } => {
                "let `context` name the folder that the build sees, from the folder of wharf.toml"
            }
            Self::NoContainerfile { .. } => {
                "set `context` to its folder, or `containerfile` to the file itself"
            }
            Self::Engine(error) => return error.hint(),
            Self::Build { source: RunError::Missing { program }, .. } => {
                return how_to_get(program);
            }
            Self::Build { .. } => "what the build said stands above",
            Self::Value { .. } | Self::Look { .. } | Self::Write { .. } => return None,
        };
        Some(text.to_owned())
    }
}
