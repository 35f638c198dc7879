//! `wharf usage`: how much a registry's store holds, and how much room is left, for a container that
//! has no `du` and no `df`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cli::amount::Bytes;
use crate::config::{self, CommandLine, Machine};
use crate::failure::Failure;
use crate::report::Report;

/// Which store.
#[derive(Debug, clap::Args)]
pub struct UsageArgs {
    /// The folder of the store; without it, the one that `wharf serve` would use, with the settings of
    /// this environment
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

/// A store that cannot be looked at.
#[derive(Debug, Error)]
#[error("cannot look at the store in {}", root.display())]
pub struct UsageError {
    root: PathBuf,
    #[source]
    source: io::Error,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The folder.
    pub root: PathBuf,
    /// Blobs and manifests.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes of the file system.
    pub total_bytes: u64,
    /// Files that can still be made, where they are counted.
    pub free_files: Option<u64>,
    /// Whether nothing can be written.
    pub read_only: bool,
}

/// Counts, and tells.
pub fn run(args: UsageArgs, report: &Report) -> Result<(), Failure> {
    let root = match args.root {
        Some(root) => root,
        None => config::join(CommandLine::default(), &Machine::read())?.serve.registry.root,
    };
    let found =
        wharf_registry::usage(&root).map_err(|source| UsageError { root: root.clone(), source })?;
    let usage = Usage {
        root,
        blobs: found.blobs,
        blob_bytes: found.blob_bytes,
        free_bytes: found.free_bytes,
        total_bytes: found.total_bytes,
        free_files: found.free_files,
        read_only: found.is_read_only,
    };
    Ok(report.data(&usage)?)
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, blobs, blob_bytes, free_bytes, total_bytes, .. } = self;
        writeln!(f, "{}: {} in {blobs} blobs", root.display(), Bytes(*blob_bytes))?;
        writeln!(f, "{} of {} free", Bytes(*free_bytes), Bytes(*total_bytes))?;
        if self.read_only {
            writeln!(f, "read-only")?;
        }
        Ok(())
    }
}
