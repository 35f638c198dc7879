//! What can be wrong with the settings. Each error names the setting, the place it was written at,
//! what stands there and what may stand there; the hint and the exit code are in
//! [`crate::failure`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use wharf_oci::ingest::SecretError;

use crate::config::Origin;
use crate::config::old_file::OldLine;
use crate::config::registry_two::Refusal;

/// Settings that wharf cannot start with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value of another form than its setting has.
    #[error("cannot use {found:?} as {setting} (from {origin}): it must be {expected}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// Where the value was written.
        origin: Origin,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A key of the file that is no setting.
    #[error("cannot use the key {key:?} (from {origin}): there is no such setting")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// The setting that may be meant.
        nearest: Option<String>,
    },
    /// A variable with wharf's own prefix that is no setting.
    #[error("cannot use the variable {name}: there is no such setting")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that may be meant.
        nearest: Option<String>,
    },
    /// A variable whose value is not text.
    #[error("cannot use the variable {variable}: its value is not UTF-8")]
    NotText {
        /// The variable.
        variable: String,
    },
    /// A file that cannot be read.
    #[error("cannot read the settings in {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is no TOML.
    #[error("cannot read the settings in {} line {line}: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the TOML reader says, without its picture of the line.
        reason: String,
    },
    /// Settings of registry:2 that protect, and that wharf cannot honour.
    #[error("cannot start with settings that wharf would have to drop:{}", Lines(refusals))]
    Refused {
        /// The settings, by reason.
        refusals: Vec<Refusal>,
    },
    /// A configuration file of registry:2.
    #[error(
        "cannot use {}, a configuration of registry:2: its lines are given as variables{}",
        path.display(), Lines(lines)
    )]
    OldFile {
        /// The file.
        path: PathBuf,
        /// What to use instead of each of its lines.
        lines: Vec<OldLine>,
    },
    /// A configuration file of registry:2 with a line that this program cannot read.
    #[error("cannot use {}, a configuration of registry:2, nor read its line {line}", path.display())]
    OldFileLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// One of two settings that only work together.
    #[error("cannot use {setting} without {missing}")]
    Alone {
        /// The one that is there.
        setting: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// The file with the secret of ingest cannot be read.
    #[error("cannot read the secret of ingest in {}", path.display())]
    ReadSecret {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file with the secret of ingest holds something else.
    #[error("cannot use what stands in {} as the secret of ingest", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SecretError,
    },
    /// No folder for the store is known.
    #[error("cannot tell where to keep the store: no root is set, and HOME is not either")]
    NoDataFolder,
    /// No address to listen on is left.
    #[error("cannot listen nowhere: the list of addresses is empty")]
    NoAddress,
    /// Two addresses of which one takes the other's connections.
    #[error("cannot listen on both {one} and {other}: one covers the other")]
    Overlap {
        /// An address of the API.
        one: SocketAddr,
        /// Another, or that of the admin pages.
        other: SocketAddr,
    },
}

/// Writes each item on a line of its own, indented.
struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| write!(f, "\n  {item}"))
    }
}
