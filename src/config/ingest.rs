//! The settings of ingest: the store that images are taken from, and the file with the secret that
//! lets a client ask for it. One without the other is refused: with no secret, any pod could have
//! any image of the user's.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use wharf_oci::ingest::{SECRET_LENGTH_MAX, Secret};
use wharf_registry::Ingest;

use crate::config::Error;

/// The setting that names the store.
pub const STORAGE: &str = "containers-storage";
/// The setting that names the file with the secret.
pub const SECRET: &str = "ingest-secret";

/// The most that is read of a file that should hold a secret: white space may stand around it.
const FILE_BYTES_MAX: u64 = 2 * SECRET_LENGTH_MAX as u64;

/// What is written about ingest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The folder with `overlay`, `overlay-images` and `overlay-layers` in it.
    pub storage: Option<PathBuf>,
    /// The file with the secret.
    pub secret: Option<PathBuf>,
}

impl Written {
    /// Ingest as the registry runs it; none if nothing is written. Reads the secret.
    pub fn checked(&self) -> Result<Option<Ingest>, Error> {
        match (&self.storage, &self.secret) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(Error::Alone { setting: STORAGE, missing: SECRET }),
            (None, Some(_)) => Err(Error::Alone { setting: SECRET, missing: STORAGE }),
            (Some(storage), Some(file)) => {
                Ok(Some(Ingest { storage: storage.clone(), secret: read_secret(file)? }))
            }
        }
    }

    /// The file with the secret, if others than its owner can read it.
    pub fn exposed(&self) -> Option<&Path> {
        self.secret.as_deref().filter(|file| is_exposed(file))
    }
}

/// Reads the secret of ingest from its file.
pub fn read_secret(path: &Path) -> Result<Secret, Error> {
    let failed = |source| Error::ReadSecret { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))?;
    text.parse().map_err(|source| Error::Secret { path: path.to_owned(), source })
}

fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    /// Reading, by the group and by everybody.
    const OTHERS: u32 = 0o044;
    path.metadata().is_ok_and(|file| file.permissions().mode() & OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &str = "0123456789abcdef";

    fn file(text: &[u8]) -> tempfile::TempPath {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn one_setting_without_the_other_is_refused() {
        let (storage, secret) = (Some(PathBuf::from("/storage")), Some(PathBuf::from("/secret")));
        assert_eq!(Written::default().checked().unwrap(), None);
        for (storage, secret, told) in [
            (storage, None, "cannot use containers-storage without ingest-secret"),
            (None, secret, "cannot use ingest-secret without containers-storage"),
        ] {
            let error = Written { storage, secret }.checked().unwrap_err();
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn the_secret_is_read_and_must_be_one() {
        for (text, is_secret) in [
            (format!("{TEXT}\n"), true),
            (String::new(), false),
            ("short\n".to_owned(), false),
            (format!("{TEXT} {TEXT}"), false),
            ("x".repeat(4096), false),
        ] {
            let file = file(text.as_bytes());
            let written =
                Written { storage: Some("/storage".into()), secret: Some(file.to_path_buf()) };
            let checked = written.checked();
            assert_eq!(checked.is_ok(), is_secret, "{text:?}: {checked:?}");
            if let Ok(Some(ingest)) = checked {
                assert!(ingest.secret.is(TEXT.as_bytes()));
            }
        }
        assert!(matches!(read_secret(&file(b"\xff\xfe")), Err(Error::ReadSecret { .. })));
        assert!(matches!(read_secret("/no/such/file".as_ref()), Err(Error::ReadSecret { .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_told() {
        let file = file(TEXT.as_bytes());
        for (mode, is_told) in [(0o600, false), (0o400, false), (0o640, true), (0o444, true)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let written = Written { storage: None, secret: Some(file.to_path_buf()) };
            assert_eq!(written.exposed().is_some(), is_told, "{mode:o}");
        }
    }
}
