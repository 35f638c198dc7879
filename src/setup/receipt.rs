//! What the setup made, kept in a file, so that taking it down removes that and no more.
//!
//! An entry is written before the thing is made: a run that is killed between the two leaves an entry
//! for nothing, which does no harm, and never a thing without an entry.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::hand::{self, FileError, Hand};

/// One thing that the setup made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "made", rename_all = "kebab-case")]
pub enum Made {
    /// The network.
    Network {
        /// Its name.
        name: String,
    },
    /// The registry's volume.
    Volume {
        /// Its name.
        name: String,
    },
    /// Where the registry has its images, as another registry had them there before: it is gone on with,
    /// whatever becomes of the container.
    TakenOver {
        /// A volume's name, or a folder of the engine's machine.
        source: String,
    },
    /// The port that the registry was given on this machine, which it has again if it has to be made anew.
    Port {
        /// The port.
        port: u16,
    },
    /// The registry's container.
    Registry {
        /// Its name.
        name: String,
    },
    /// Wharf's own image in the engine.
    Image {
        /// Its name.
        name: String,
    },
    /// The engine's secret for ingest.
    Secret {
        /// Its name.
        name: String,
    },
    /// A file on this machine, or in the engine's virtual machine.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it is in the virtual machine.
        in_machine: bool,
    },
    /// A cluster.
    Cluster {
        /// Its name.
        name: String,
    },
    /// A node of a cluster that we made, by which that is told from a later one of its name.
    ClusterNode {
        /// The cluster's name.
        cluster: String,
        /// The id of the node's container.
        container: String,
    },
    /// That a cluster is being made; struck out when it stands. One that is left half-made has it still.
    ClusterBegun {
        /// Its name.
        name: String,
    },
    /// A folder of containerd's `certs.d` on a node.
    Hosts {
        /// The node's name.
        node: String,
        /// The folder's name, as `localhost:5000`.
        host: String,
    },
    /// Another file on a node that we wrote or changed, as the drop-in for `NO_PROXY`.
    NodeFile {
        /// The node's name.
        node: String,
        /// The node's container: another one of that name never had the file.
        container: String,
        /// Its path.
        path: String,
        /// What it held before; nothing if it was not there.
        before: Option<String>,
        /// What we wrote.
        after: String,
    },
    /// The ConfigMap `local-registry-hosting`.
    Hosting {
        /// The cluster's name.
        cluster: String,
        /// What it said before; nothing if it was not there.
        before: Option<String>,
    },
    /// Wharf's own image on a node, for a registry inside its cluster.
    NodeImage {
        /// The node's name.
        node: String,
        /// The node's container: another one of that name never had the image.
        container: String,
        /// The image's name.
        name: String,
    },
    /// The registry inside a cluster.
    InCluster {
        /// The cluster's name.
        cluster: String,
    },
    /// What was pushed to the registry inside a cluster.
    Claim {
        /// The cluster's name.
        cluster: String,
    },
    /// The namespace of the registry inside a cluster.
    Namespace {
        /// The cluster's name.
        cluster: String,
    },
    /// Changes of a run that has not proven yet that they work: it goes on, or was interrupted.
    Unproven,
    /// A unit of systemd that was enabled.
    Unit {
        /// Its name.
        name: String,
        /// Whether it is in the engine's virtual machine.
        in_machine: bool,
    },
}

/// What the setup of one registry made.
#[derive(Debug)]
pub struct Receipt {
    path: PathBuf,
    made: Mutex<BTreeSet<Made>>,
}

/// The receipt as it lies in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: u32,
    made: BTreeSet<Made>,
}

/// What is read of it first: the rest of a newer one may not be understood.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

impl Made {
    /// Whether no wharf ever makes such a thing, so that it is none of ours to remove: the file was
    /// changed by somebody. What an engine or Kind made tells by itself whose it is.
    fn is_stray(&self) -> bool {
        match self {
            Self::Secret { name } => !name.contains("-ingest-"),
            Self::Hosts { host, .. } => !is_folder(host),
            _ => false,
        }
    }
}

/// Whether a name can be that of a folder of `certs.d`, which names a host and nothing beyond it.
pub fn is_folder(host: &str) -> bool {
    !host.is_empty() && !host.contains('/') && !host.starts_with(['.', '-'])
}

/// The form of the file.
const VERSION: u32 = 1;

/// Why there is no telling what the setup made.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// The file cannot be read.
    #[error("cannot read {}, which says what was set up", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written there.
    #[error("{} does not say what was set up", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It names what wharf does not make.
    #[error("{} names {name}, which wharf never made", path.display())]
    Stray {
        /// The file.
        path: PathBuf,
        /// What it names.
        name: String,
    },
    /// The file is of a newer wharf.
    #[error("{} was written by a newer wharf", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Receipt {
    /// The receipt in a file; an empty one where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is none of ours.
    pub fn read(path: PathBuf) -> Result<Self, ReceiptError> {
        let text = match hand::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, made: Mutex::default() });
            }
            Err(source) => return Err(ReceiptError::Read { path, source }),
        };
        if serde_json::from_slice(&text).is_ok_and(|Form { version }| version > VERSION) {
            return Err(ReceiptError::Newer { path });
        }
        let made = match serde_json::from_slice(&text) {
            Ok(Written { made, .. }) => made,
            Err(source) => return Err(ReceiptError::Content { path, source }),
        };
        if let Some(stray) = made.iter().find(|made| made.is_stray()) {
            let name = serde_json::to_string(stray).unwrap_or_default();
            return Err(ReceiptError::Stray { path, name });
        }
        Ok(Self { path, made: Mutex::new(made) })
    }

    /// Everything that was made.
    pub fn made(&self) -> Vec<Made> {
        self.locked().iter().cloned().collect()
    }

    /// Whether we made that.
    pub fn has(&self, made: &Made) -> bool {
        self.locked().contains(made)
    }

    /// Notes what is about to be made. To be called before it is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, hand: &Hand, made: Made) -> Result<(), ReceiptError> {
        let mut all = self.locked();
        if all.insert(made) { self.write(hand, &all) } else { Ok(()) }
    }

    /// Strikes out what was taken away. The file goes with the last entry, and what a run left beside it that
    /// was killed at its first.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn strike(&self, hand: &Hand, made: &Made) -> Result<(), ReceiptError> {
        let mut all = self.locked();
        if all.remove(made) || all.is_empty() { self.write(hand, &all) } else { Ok(()) }
    }

    fn write(&self, hand: &Hand, made: &BTreeSet<Made>) -> Result<(), ReceiptError> {
        if hand.is_dry() {
            return Ok(());
        }
        if made.is_empty() {
            return Ok(hand.remove(&self.path)?);
        }
        let written = Written { version: VERSION, made: made.clone() };
        let text = serde_json::to_string_pretty(&written)
            .map_err(|source| ReceiptError::Content { path: self.path.clone(), source })?;
        Ok(hand.write_aside(&self.path, &text)?)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeSet<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_without_an_end_is_refused() {
        let error = Receipt::read("/dev/zero".into()).unwrap_err();
        assert!(matches!(error, ReceiptError::Read { .. }), "{error}");
    }

    fn read(text: &str) -> Result<Receipt, ReceiptError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("setup.json");
        fs::write(&path, text).unwrap();
        Receipt::read(path)
    }

    #[test]
    fn one_of_a_newer_wharf_is_told_from_one_that_is_broken() {
        for text in ["", "{", "[]", "null", r#"{"version":1,"made":[{"made":"moon"}]}"#] {
            assert!(matches!(read(text), Err(ReceiptError::Content { .. })), "{text}");
        }
        for text in [r#"{"version":2,"made":[{"made":"moon"}]}"#, r#"{"version":2}"#] {
            assert!(matches!(read(text), Err(ReceiptError::Newer { .. })), "{text}");
        }
    }

    #[test]
    fn one_that_names_what_wharf_never_makes_is_refused() {
        let with = |made: &str| read(&format!(r#"{{"version":1,"made":[{made}]}}"#));
        for stray in [
            r#"{"made":"secret","name":"database"}"#,
            r#"{"made":"hosts","node":"n","host":"../../other"}"#,
            r#"{"made":"hosts","node":"n","host":".."}"#,
        ] {
            let error = with(stray).unwrap_err();
            assert!(matches!(error, ReceiptError::Stray { .. }), "{error}");
            assert!(error.to_string().contains(stray), "{error}");
        }
        for ours in [
            r#"{"made":"secret","name":"kind-registry-ingest-96c6e05b"}"#,
            r#"{"made":"hosts","node":"n","host":"localhost:5000"}"#,
            r#"{"made":"hosts","node":"n","host":"_default"}"#,
        ] {
            assert_eq!(with(ours).unwrap().made().len(), 1);
        }
    }
}
