//! A layer, compressed into a file without a name: it is gone with the last handle, whatever happens
//! to the process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_oci::Descriptor;

use crate::error::Error;
use crate::layer::{Compressed, compress};
use crate::progress::Event;
use crate::source::ImageSource;
use crate::transfer::Transfer;
use crate::transfer::parcel::ToCompress;
use crate::transfer::steps::Steps;

/// Reads a spool file from a place of its own.
pub(crate) struct SpoolReader {
    file: Arc<File>,
    at: u64,
}

impl SpoolReader {
    pub(crate) fn new(file: Arc<File>, at: u64) -> Self {
        Self { file, at }
    }
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Transfer<'_> {
    /// Compresses a layer. One at a time: each takes all processors.
    pub(crate) async fn compress(
        &self,
        layer: &Descriptor,
        to_compress: &ToCompress,
    ) -> Result<(Descriptor, Arc<File>), Error> {
        let ToCompress { diff_id, source } = to_compress;
        // The semaphore is never closed.
        let _turn = self.compressing.acquire().await;
        let abandoned = Abandoned::default();
        let work = self.work(source, layer, &abandoned);
        let (compressed, file) = match tokio::task::spawn_blocking(work).await {
            Ok(result) => result?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        if compressed.diff_id != *diff_id {
            let (digest, origin) = (layer.digest, source.origin());
            return Err(Error::LayerDamaged { digest, origin, source: None });
        }
        let media_type = self.config.compression.oci_media_type();
        let form = Descriptor::new(media_type, compressed.digest, compressed.size);
        Ok((form, Arc::new(file)))
    }

    /// What the blocking thread does.
    fn work(
        &self,
        source: &Arc<dyn ImageSource>,
        layer: &Descriptor,
        abandoned: &Abandoned,
    ) -> impl FnOnce() -> Result<(Compressed, File), Error> + Send + 'static {
        let (source, digest) = (Arc::clone(source), layer.digest);
        let (folder, threads) = (self.config.spool.clone(), self.config.threads.get());
        let (compression, events) = (self.config.compression, self.events.clone());
        let is_abandoned = Arc::clone(&abandoned.0);
        let mut steps = Steps::of(layer.size);
        move || {
            let gone = |error| Error::LayerGone { digest, origin: source.origin(), source: error };
            let full = |source| Error::Compress { digest, spool: folder.clone(), source };
            let mut reader =
                Noted { reader: source.open(&digest).map_err(gone)?, has_failed: false };
            let file = tempfile::tempfile_in(&folder).map_err(full)?;
            let out = Unless { file: &file, is_abandoned };
            let told = |read, written| {
                if steps.is_due(read) {
                    events.tell(Event::Compressed { digest, read, written });
                }
            };
            let compressed = compress(&mut reader, compression, threads, out, told);
            match (compressed, reader.has_failed) {
                (Ok(compressed), _) => Ok((compressed, file)),
                (Err(error), true) => Err(gone(error)),
                (Err(error), false) => Err(full(error)),
            }
        }
    }
}

/// Told when nobody waits for the compressed layer any more.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes to a file unless nobody waits for it any more.
struct Unless<'a> {
    file: &'a File,
    is_abandoned: Arc<AtomicBool>,
}

impl Write for Unless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_abandoned.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A reader that remembers that it was the one that failed.
struct Noted {
    reader: Box<dyn Read + Send>,
    has_failed: bool,
}

impl Read for Noted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect_err(|_| self.has_failed = true)
    }
}
