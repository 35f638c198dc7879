//! An image of an engine whose store cannot be read in place: its `save` command writes an archive to
//! a pipe, which is read as any other archive that comes by once. Whoever asks starts the program: a
//! library starts none.

use std::io::{self, Read};
use std::path::Path;

use wharf_oci::Digest;

use super::archive::ArchiveSource;
use super::error::SourceError;

/// A program that was started to write an archive. Reading it is reading its standard output.
pub trait Export: Read + Send {
    /// Waits for the program's end; its output has ended, or nobody will read more of it.
    ///
    /// # Errors
    /// It failed. The error's text is what it printed about that.
    fn finish(&mut self) -> io::Result<()>;
}

/// The arguments with which `podman` or `docker` writes `image` to its standard output. Podman writes
/// its layers uncompressed and under their digests then.
#[must_use]
pub fn arguments(image: &str) -> [&str; 3] {
    ["save", "--", image]
}

/// The image that `export` writes; `lacks` and `spool` are as in [`ArchiveSource::read`].
///
/// # Errors
/// [`SourceError::Save`] if the program failed, else as [`ArchiveSource::read`].
pub fn read(
    image: &str,
    mut export: impl Export,
    lacks: impl Fn(&Digest) -> bool,
    spool: &Path,
) -> Result<ArchiveSource, SourceError> {
    let place = format!("the saved image {image}");
    let read = ArchiveSource::stream(&mut export, &place, None, lacks, spool);
    let image = image.to_owned();
    match (read, export.finish()) {
        (read, Ok(())) => read,
        // These are what a program leaves that failed; others are why it found nobody reading on.
        (
            Ok(_)
            | Err(
                SourceError::Truncated { .. }
                | SourceError::Shapeless { .. }
                | SourceError::Missing { .. },
            ),
            Err(source),
        ) => Err(SourceError::Save { image, source }),
        (Err(error), Err(_)) => Err(error),
    }
}
