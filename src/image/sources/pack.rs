//! Packs the sources that a build of wharf needs into one archive: the same sources, the same bytes.
//! Used by `build.rs` and by tests; tests and documents are left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

/// What is packed, from the root of the sources.
pub(crate) const PATHS: [&str; 9] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "Containerfile",
    "benches",
    "build.rs",
    "pusher",
    "registry",
    "src",
];
/// Folders of any depth that no build needs.
const LEFT_OUT: [&str; 4] = ["out", "target", "tests", "transcripts"];

/// The archive, a `tar.gz`.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn pack(root: &Path) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    for path in PATHS {
        find(root, PathBuf::from(path), &mut files)?;
    }
    files.sort();
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for path in files {
        let contents = fs::read(root.join(&path))?;
        let mut header = tar::Header::new_ustar();
        header.set_path(&path)?;
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(contents.len() as u64);
        header.set_cksum();
        archive.append(&header, &contents[..])?;
    }
    archive.into_inner()?.finish()
}

/// Every file at or below a path, but for hidden ones.
fn find(root: &Path, path: PathBuf, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !root.join(&path).is_dir() {
        files.push(path);
        return Ok(());
    }
    for entry in fs::read_dir(root.join(&path))? {
        let name = entry?.file_name();
        let word = name.to_string_lossy();
        if !word.starts_with('.') && !LEFT_OUT.contains(&&*word) {
            find(root, path.join(&name), files)?;
        }
    }
    Ok(())
}
