//! The push path: bytes from a request to the disk and through the hashes, both at once.
//!
//! Bytes are gathered into buffers; each full one goes to two lanes, of which one writes it and the
//! other hashes it, on threads of the blocking pool that are borrowed only while there is work. A
//! slow client holds no thread, and a fast one waits as soon as four buffers are under way:
//! that is the memory of an upload.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest};

mod buffer;
mod lane;

use self::buffer::{BUFFER_BYTES, Buffers, Full};
use self::lane::{Lane, Work};
use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::blob::digest_of_file;
use crate::store::error::StoreError;
use crate::store::upload::UploadFile;
use crate::upload::{Hashes, Progress, Session};

/// A session while one request sends into it. Dropping it keeps what was received.
#[derive(Debug)]
pub struct Receiving {
    registry: Registry,
    session: Arc<Session>,
    /// `None` only once the request has ended.
    pipeline: Option<Pipeline>,
    offset: u64,
}

#[derive(Debug)]
struct Pipeline {
    filling: Vec<u8>,
    buffers: Arc<Buffers>,
    writing: Lane<Writer>,
    hashing: Lane<Hashing>,
}

impl Receiving {
    pub(crate) fn new(registry: Registry, session: Arc<Session>, progress: Progress) -> Self {
        let path = registry.floor().store.upload_data(&session.name, &session.id);
        let length = progress.length;
        let writer = Writer { path: path.clone(), length, file: None, session: session.clone() };
        let hashing = match progress.hashes {
            Some(hashes) => Hashing { hashes, catch_up: None },
            None => {
                let hashes = Hashes::new(Algorithm::Sha256);
                Hashing { hashes, catch_up: Some((path, length)) }
            }
        };
        let pipeline = Pipeline {
            filling: Vec::new(),
            buffers: Arc::new(Buffers::new()),
            writing: Lane::new(writer),
            hashing: Lane::new(hashing),
        };
        Self { registry, session, pipeline: Some(pipeline), offset: length }
    }

    /// Bytes of the session, those of this request included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes bytes; waits while too many are under way to the disk.
    ///
    /// # Errors
    /// [`Error::BlobTooLarge`], [`Error::StorageFull`], [`Error::Store`]: the session is gone then,
    /// so that its bytes do not stay in the way of others.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), Error> {
        if let Some(limit) = self.registry.floor().config.blob_bytes_max
            && self.offset + bytes.len() as u64 > limit
        {
            return Err(self.abandon(Error::BlobTooLarge { limit }).await);
        }
        let Some(pipeline) = &mut self.pipeline else { return Err(self.session.unknown()) };
        let length = bytes.len() as u64;
        match pipeline.take(bytes).await {
            Ok(()) => {
                self.offset += length;
                Ok(())
            }
            Err(source) => {
                let error = self.registry.floor().failed("write an upload", source);
                Err(self.abandon(error).await)
            }
        }
    }

    /// Ends the request and keeps the session; gives the bytes it holds, all of them in its file.
    ///
    /// # Errors
    /// As [`Receiving::append`].
    pub async fn pause(mut self) -> Result<u64, Error> {
        let Some(pipeline) = self.pipeline.take() else { return Err(self.session.unknown()) };
        to_the_end(pause(self.registry.clone(), Arc::clone(&self.session), pipeline)).await
    }

    /// Closes the session: checks the digest and stores the blob. Bytes and links are durable and
    /// visible when this returns its size; the session is gone either way.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`]; else as [`Receiving::append`].
    pub async fn commit(mut self, digest: &Digest) -> Result<u64, Error> {
        let Some(pipeline) = self.pipeline.take() else { return Err(self.session.unknown()) };
        let (registry, session) = (self.registry.clone(), Arc::clone(&self.session));
        to_the_end(commit(registry, session, pipeline, *digest)).await
    }

    /// Gives the session up because of `error`.
    async fn abandon(&mut self, error: Error) -> Error {
        // Dropped lanes finish the buffers they have; nobody waits for them any more.
        self.pipeline = None;
        abandon(&self.registry, &self.session, error).await
    }
}

/// Does what was begun, also when the client leaves and the request is dropped in the middle.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        // The work is never aborted, so it panicked: so does the request that asked for it.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

async fn pause(
    registry: Registry,
    session: Arc<Session>,
    pipeline: Pipeline,
) -> Result<u64, Error> {
    match pipeline.pause().await {
        Ok(progress) => {
            let length = progress.length;
            session.give_back(progress);
            Ok(length)
        }
        Err(source) => {
            let error = registry.floor().failed("write an upload", source);
            Err(abandon(&registry, &session, error).await)
        }
    }
}

async fn commit(
    registry: Registry,
    session: Arc<Session>,
    pipeline: Pipeline,
    claimed: Digest,
) -> Result<u64, Error> {
    match pipeline.drain().await {
        Ok((writing, hashing, filling)) => {
            let received = Received { writing, hashing, filling };
            registry.crossing(move |floor| received.commit(floor, &session, &claimed)).await
        }
        Err(source) => {
            let error = registry.floor().failed("write an upload", source);
            Err(abandon(&registry, &session, error).await)
        }
    }
}

/// Ends the session because of `error`.
async fn abandon(registry: &Registry, session: &Arc<Session>, error: Error) -> Error {
    let session = Arc::clone(session);
    let abandoned = registry.crossing(move |floor| {
        floor.abandon(&session);
        Ok(())
    });
    abandoned.await.err().unwrap_or(error)
}

impl Drop for Receiving {
    /// The client has gone: what it sent is kept for a resume.
    fn drop(&mut self) {
        let Some(pipeline) = self.pipeline.take() else { return };
        let kept = pause(self.registry.clone(), Arc::clone(&self.session), pipeline);
        // Without a runtime the process is ending, and the file has what it has.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(kept);
        }
    }
}

impl Pipeline {
    async fn take(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = BUFFER_BYTES - self.filling.len();
            let part = bytes.split_to(room.min(bytes.len()));
            self.filling.extend_from_slice(&part);
            if self.filling.len() == BUFFER_BYTES {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Hands the buffer being filled to both lanes.
    async fn send(&mut self) -> Result<(), StoreError> {
        let (permit, empty) = self.buffers.take().await;
        let bytes = std::mem::replace(&mut self.filling, empty);
        let full = Full::new(bytes, &self.buffers, permit);
        self.hashing.push(Arc::clone(&full))?;
        self.writing.push(full)
    }

    /// Waits until both lanes are done and takes them apart. What is left in the last, unfinished
    /// buffer is handed over too.
    async fn drain(self) -> Result<(Writer, Hashing, Vec<u8>), StoreError> {
        // Both are waited for, also when one failed: then nobody has the file any more.
        let (writing, hashing) = (self.writing.finish().await, self.hashing.finish().await);
        Ok((writing?, hashing?, self.filling))
    }

    async fn pause(mut self) -> Result<Progress, StoreError> {
        let sent = if self.filling.is_empty() { Ok(()) } else { self.send().await };
        let drained = self.drain().await;
        sent?;
        let (writing, hashing, _) = drained?;
        // A file that must still be read from its beginning is read when the session is closed.
        let hashes = hashing.catch_up.is_none().then_some(hashing.hashes);
        Ok(Progress { length: writing.length, hashes })
    }
}

/// Everything of an upload, on its way to its place.
struct Received {
    writing: Writer,
    hashing: Hashing,
    filling: Vec<u8>,
}

impl Received {
    fn commit(mut self, floor: &Floor, session: &Session, claimed: &Digest) -> Result<u64, Error> {
        let stored = self.store(floor, session, claimed);
        floor.abandon(session);
        match stored {
            Ok(Stored::As(size)) => Ok(size),
            Ok(Stored::Not { found }) => Err(Error::DigestMismatch { claimed: *claimed, found }),
            Err(source) => Err(floor.failed("commit an upload", source)),
        }
    }

    fn store(
        &mut self,
        floor: &Floor,
        session: &Session,
        claimed: &Digest,
    ) -> Result<Stored, StoreError> {
        self.writing.work(&self.filling)?;
        self.hashing.work(&self.filling)?;
        self.filling = Vec::new();
        let sha256 = self.hashing.hashes.sha256.clone().finalize();
        let found = match (claimed.algorithm(), self.hashing.hashes.sha512.take()) {
            (Algorithm::Sha256, _) => sha256,
            (Algorithm::Sha512, Some(sha512)) => sha512.finalize(),
            // Nobody said so before the last request: the file is read once more.
            (Algorithm::Sha512, None) => digest_of_path(&self.writing.path)?,
        };
        if found != *claimed {
            return Ok(Stored::Not { found });
        }
        let both = [*claimed, sha256];
        let named = if sha256 == *claimed { &both[..1] } else { &both[..] };
        let length = self.writing.length;
        floor.store.commit_upload(&session.name, &session.id, length, &sha256, named)?;
        for digest in named {
            floor.refresh_blob(&session.name, digest);
        }
        Ok(Stored::As(length))
    }
}

/// What became of a closed session.
enum Stored {
    /// A blob of this many bytes.
    As(u64),
    /// Nothing: the bytes hash to something else.
    Not { found: Digest },
}

fn digest_of_path(path: &std::path::Path) -> Result<Digest, StoreError> {
    let file = File::open(path).map_err(|error| StoreError::io("open", path, error))?;
    digest_of_file(file, path, Algorithm::Sha512)
}

/// Appends to the session's file, which it opens at the first byte.
#[derive(Debug)]
struct Writer {
    path: PathBuf,
    length: u64,
    file: Option<UploadFile>,
    session: Arc<Session>,
}

impl Writer {
    fn open(&mut self) -> Result<&mut UploadFile, StoreError> {
        if self.file.is_none() {
            self.file = Some(UploadFile::open(&self.path, self.length)?);
        }
        #[expect(clippy::unwrap_used, reason = "set in the line before")]
        Ok(self.file.as_mut().unwrap())
    }
}

/// The hashes, and the part of the file that they have not seen since a restart.
#[derive(Debug)]
struct Hashing {
    hashes: Hashes,
    catch_up: Option<(PathBuf, u64)>,
}

impl Work for Writer {
    fn work(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.open()?;
        file.append(bytes)?;
        self.length = file.length();
        self.session.offset.store(self.length, Ordering::Release);
        Ok(())
    }
}

impl Work for Hashing {
    fn work(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some((path, length)) = self.catch_up.take() {
            hash_prefix(&mut self.hashes, &path, length)?;
        }
        self.hashes.update(bytes);
        Ok(())
    }
}

fn hash_prefix(hashes: &mut Hashes, path: &PathBuf, length: u64) -> Result<(), StoreError> {
    use std::io::Read;

    let failed = |error| StoreError::io("read", path, error);
    let mut prefix = File::open(path).map_err(failed)?.take(length);
    let mut step = vec![0; BUFFER_BYTES];
    loop {
        match prefix.read(&mut step).map_err(failed)? {
            0 if prefix.limit() > 0 => return Err(StoreError::CutShort { path: path.clone() }),
            0 => return Ok(()),
            read => hashes.update(&step[..read]),
        }
    }
}
