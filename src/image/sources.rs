//! Wharf's own sources, carried by a program that cannot be in an image itself: the engine builds one
//! of them by the Containerfile, for the processor of its machine.

#[cfg(test)]
mod pack;

use std::borrow::Cow;

use wharf_oci::{Algorithm, Digest};

#[cfg(not(target_os = "linux"))]
const CARRIED: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/sources.tar.gz")));
#[cfg(target_os = "linux")]
const CARRIED: Option<&[u8]> = None;

/// An archive of the sources, a `tar.gz`.
#[derive(Debug, Clone)]
pub struct Sources(Cow<'static, [u8]>);

impl Sources {
    /// Those in this program. A Linux program has none.
    pub fn carried() -> Option<Self> {
        CARRIED.map(|archive| Self(Cow::Borrowed(archive)))
    }

    /// The archive's bytes.
    pub fn archive(&self) -> &[u8] {
        &self.0
    }

    /// The digest of the archive, which tells an image of these sources from one of others.
    pub fn digest(&self) -> Digest {
        Digest::of(Algorithm::Sha256, &self.0)
    }
}

#[cfg(test)]
pub mod tests {
    use std::io::Read;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The sources of this test, as a program for another system would carry them.
    pub fn sources() -> Sources {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Sources(pack::pack(root).unwrap().into())
    }

    fn paths(sources: &Sources) -> Vec<PathBuf> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(sources.archive()));
        let entries = archive.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().into_owned()).collect()
    }

    #[test]
    fn the_same_sources_give_the_same_bytes() {
        let sources = sources();
        assert_eq!(sources.digest(), tests::sources().digest());
        let paths = paths(&sources);
        assert!(paths.is_sorted());
        for path in
            [".cargo/config.toml", "Containerfile", "registry/oci/Cargo.toml", "src/main.rs"]
        {
            assert!(paths.contains(&path.into()), "{path} is missing");
        }
        let needless = |path: &&PathBuf| path.components().any(|it| it.as_os_str() == "tests");
        assert_eq!(paths.iter().find(needless), None);
    }

    #[test]
    fn entries_have_no_owner_and_no_time() {
        let sources = sources();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(sources.archive()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap() + header.uid().unwrap() + header.gid().unwrap(), 0);
            entry.read_to_end(&mut Vec::new()).unwrap();
        }
    }
}
