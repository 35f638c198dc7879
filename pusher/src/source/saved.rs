//! An image of an engine whose store cannot be read in place: its `save` command writes an archive to
//! a pipe, which is read as any other archive that comes but once. The program is started by whoever
//! asks: a library starts none.

use std::io::{self, Read};
use std::path::Path;

use wharf_oci::Digest;

use super::archive::ArchiveSource;
use super::error::SourceError;

/// A program that was started to write an archive. Reading it is reading its standard output.
pub trait Export: Read + Send {
    /// Waits for its end, after its output ended or is not wanted any more.
    ///
    /// # Errors
    /// It failed; the text is what it printed about that.
    fn finish(&mut self) -> io::Result<()>;
}

/// The arguments with which `podman` writes `image` to its standard output in the form that suits a
/// push best: layers uncompressed, under their digests.
#[must_use]
pub fn save_arguments(image: &str) -> [&str; 4] {
    ["save", "--format=docker-archive", "--", image]
}

/// The image that `export` writes; `lacks` and `spool` are as in [`ArchiveSource::read`].
///
/// # Errors
/// [`SourceError::Save`] if the program failed, else as [`ArchiveSource::read`].
pub fn read(
    image: &str,
    export: Box<dyn Export>,
    lacks: impl Fn(&Digest) -> bool,
    spool: &Path,
) -> Result<ArchiveSource, SourceError> {
    _ = image;
    ArchiveSource::read(export, None, lacks, spool)
}
