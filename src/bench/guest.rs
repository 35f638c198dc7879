//! The repository that a benchmark has in a registry: its name is random, what is written into it is
//! remembered before it is written, and all of it is deleted at the end, or named where it stays.
//!
//! It refuses to delete what it did not write.

use std::cell::RefCell;
use std::collections::BTreeSet;

use wharf_load::{Connection, LoadError, Target};
use wharf_oci::{Digest, Endpoint, Reference, RepositoryName};

use super::BenchError;
use crate::cli::voice::Voice;

/// Where the repositories of benchmarks are.
const PREFIX: &str = "wharf-bench";

/// A repository of the benchmark's own.
#[derive(Debug)]
pub struct Guest {
    name: RepositoryName,
    written: RefCell<BTreeSet<Written>>,
}

/// Something that was written, or was about to be; manifests come before the blobs that they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// A manifest.
    Manifest(Digest),
    /// A blob.
    Blob(Digest),
}

impl Guest {
    /// A repository that nobody has.
    ///
    /// # Errors
    /// There are no random numbers for its name.
    #[expect(clippy::expect_used, reason = "a constant and hexadecimal digits are a name")]
    pub fn new() -> Result<Self, BenchError> {
        let random = getrandom::u64().map_err(BenchError::Random)?;
        let name = format!("{PREFIX}/{random:016x}").parse().expect("a name of a repository");
        Ok(Self { name, written: RefCell::default() })
    }

    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Remembers what is about to be written.
    /// True when some of it was not known before.
    pub fn remember(&self, written: impl IntoIterator<Item = Written>) -> bool {
        let mut known = self.written.borrow_mut();
        let before = known.len();
        known.extend(written);
        known.len() > before
    }

    /// Whether nothing was written, nor was about to be.
    pub fn is_empty(&self) -> bool {
        self.written.borrow().is_empty()
    }

    /// Deletes what was written, manifests before blobs, and says what stays.
    pub fn leave(&self, label: &str, target: &Target, voice: &Voice) {
        let written = self.written.take();
        let mut stays = Stays::default();
        let mut connection = None;
        for it in &written {
            let deleted = self.delete(target, &mut connection, it);
            stays.count(it, deleted);
        }
        match stays.words() {
            None => voice.say(format_args!(
                "{label}: the repository {} is deleted; its bytes go when the registry collects garbage",
                self.name
            )),
            Some(words) => {
                voice.warn(format_args!("{label}: of the repository {} stay {words}", self.name));
            }
        }
    }

    /// Deletes one thing over a connection that is kept as long as it serves.
    fn delete(
        &self,
        target: &Target,
        kept: &mut Option<Connection>,
        written: &Written,
    ) -> Result<u16, LoadError> {
        let name = self.name.clone();
        let endpoint = match *written {
            Written::Manifest(digest) => {
                Endpoint::DeleteManifest { name, reference: Reference::Digest(digest) }
            }
            Written::Blob(digest) => Endpoint::DeleteBlob { name, digest },
        };
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(target)?,
        };
        connection.send("DELETE", &endpoint.to_uri(), "")?;
        let head = connection.answer()?;
        connection.receive(head.body, |_| ())?;
        *kept = (!head.closes).then_some(connection);
        Ok(head.status)
    }
}

/// What could not be deleted, and why the first of it could not.
#[derive(Debug, Default)]
struct Stays {
    manifests: usize,
    blobs: usize,
    reason: Option<String>,
}

impl Stays {
    fn count(&mut self, written: &Written, deleted: Result<u16, LoadError>) {
        let reason = match deleted {
            // What was never written, or went with its manifest, is not there.
            Ok(200..=299 | 404) => return,
            Ok(status) => format!("DELETE was answered {status}"),
            Err(error) => crate::failure::told(&error),
        };
        match written {
            Written::Manifest(_) => self.manifests += 1,
            Written::Blob(_) => self.blobs += 1,
        }
        self.reason.get_or_insert(reason);
    }

    fn words(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        let Self { manifests, blobs, .. } = self;
        let several = |count: usize| if count == 1 { "" } else { "s" };
        let (of_manifests, of_blobs) = (several(*manifests), several(*blobs));
        Some(format!("{manifests} manifest{of_manifests} and {blobs} blob{of_blobs}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    #[test]
    fn what_was_refused_stays_and_what_is_gone_does_not() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let mut stays = Stays::default();
        stays.count(&Written::Blob(digest), Ok(202));
        stays.count(&Written::Blob(digest), Ok(404));
        assert_eq!(stays.words(), None);
        stays.count(&Written::Blob(digest), Ok(405));
        stays.count(&Written::Manifest(digest), Ok(500));
        let words = stays.words().unwrap();
        assert_eq!(words, "1 manifest and 1 blob: DELETE was answered 405");
    }
}
