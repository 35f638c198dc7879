//! The push path: bytes from a request to the disk and through the hashes, while more of them come.
//!
//! Bytes are gathered into buffers, and those that come in large pieces stay where they lie; each full
//! buffer goes to a lane, whose worker writes and hashes it on a thread of the blocking pool that is
//! borrowed only while there is work. A slow client holds no
//! thread. A fast one waits as soon as four buffers are under way, or those of
//! all uploads together: that is the memory of uploads.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use wharf_oci::{Algorithm, Digest};

mod buffer;
mod lane;
mod worker;

pub(crate) use self::buffer::Pool;
use self::buffer::{BUFFER_BYTES, Buffer, Buffers, HANDED_ON_BYTES};
use self::lane::Lane;
use self::worker::{Hashing, Worker, Writer};
use crate::error::Error;
use crate::registry::{Floor, Registry};
use crate::store::blob::digest_of_file;
use crate::store::error::StoreError;
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

/// Why [`Receiving::fill`] ended early.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The bytes cannot be had. The session keeps what came before.
    #[error("cannot read the bytes of the upload")]
    Read(#[source] io::Error),
    /// They cannot be taken: see [`Receiving::append`].
    #[error(transparent)]
    Receive(#[from] Error),
}

#[derive(Debug)]
struct Pipeline {
    /// `None` while it is empty.
    filling: Option<Buffer>,
    buffers: Buffers,
    lane: Lane,
}

impl Receiving {
    pub(crate) fn new(registry: Registry, session: Arc<Session>, progress: Progress) -> Self {
        let path = registry.floor().store.upload_data(&session.name, &session.id);
        let length = progress.length;
        let writing = Writer { path: path.clone(), length, file: None, session: session.clone() };
        let hashing = match progress.hashes {
            Some(hashes) => Hashing { hashes, catch_up: None },
            None => {
                let hashes = Hashes::new(Algorithm::Sha256);
                Hashing { hashes, catch_up: Some((path, length)) }
            }
        };
        let pipeline = Pipeline {
            filling: None,
            buffers: Buffers::new(&registry.floor().buffers),
            lane: Lane::new(Worker { writing, hashing }),
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
        self.require_size(bytes.len()).await?;
        // Fewer would hold more memory than they fill, and more would fill more than a buffer.
        if (HANDED_ON_BYTES..=BUFFER_BYTES).contains(&bytes.len()) {
            return self.hand_on(bytes).await;
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            let room = self.room().await?;
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room[..now.len()].copy_from_slice(now);
            self.advance(now.len()).await?;
            bytes = later;
        }
        Ok(())
    }

    /// Takes all that `reader` gives, straight into the buffers; gives how many bytes that were.
    /// Blocks, so it is called on a blocking thread of the runtime (`spawn_blocking`).
    ///
    /// # Errors
    /// [`FillError::Read`] when `reader` fails: what it gave before is kept, as if a client had
    /// left. Else as [`Receiving::append`].
    pub fn fill(&mut self, reader: &mut (impl Read + ?Sized)) -> Result<u64, FillError> {
        let (runtime, begun) = (Handle::current(), self.offset);
        loop {
            let room = runtime.block_on(self.room())?;
            let read = match reader.read(room) {
                Ok(0) => return Ok(self.offset - begun),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(FillError::Read(error)),
            };
            runtime.block_on(async {
                self.require_size(read).await?;
                self.advance(read).await
            })?;
        }
    }

    /// Waits until another upload is in want of memory while this one has a buffer that is partly
    /// full: the time to [`Receiving::flush`] it if its client has nothing to send.
    pub(crate) async fn wanted(&self) {
        match &self.pipeline {
            Some(pipeline) if pipeline.filling.is_some() => pipeline.buffers.wanted().await,
            _ => std::future::pending().await,
        }
    }

    /// Sends on what has come so far, so that its memory is free again soon.
    ///
    /// # Errors
    /// As [`Receiving::append`].
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let Some(pipeline) = &mut self.pipeline else { return Err(self.session.unknown()) };
        match pipeline.send() {
            Ok(()) => Ok(()),
            Err(source) => Err(self.failed(source).await),
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

    /// Fails when `length` more bytes are more than a blob may have.
    async fn require_size(&mut self, length: usize) -> Result<(), Error> {
        match self.registry.floor().config.blob_bytes_max {
            Some(limit) if self.offset + length as u64 > limit => {
                Err(self.abandon(Error::BlobTooLarge { limit }).await)
            }
            _ => Ok(()),
        }
    }

    /// Room for the next bytes, never empty.
    async fn room(&mut self) -> Result<&mut [u8], Error> {
        match &mut self.pipeline {
            Some(pipeline) => Ok(pipeline.room().await),
            None => Err(self.session.unknown()),
        }
    }

    /// Takes the bytes at the beginning of the room.
    async fn advance(&mut self, length: usize) -> Result<(), Error> {
        let Some(pipeline) = &mut self.pipeline else { return Err(self.session.unknown()) };
        match pipeline.advance(length) {
            Ok(()) => {
                self.offset += length as u64;
                Ok(())
            }
            Err(source) => Err(self.failed(source).await),
        }
    }

    /// Takes the bytes as they lie.
    async fn hand_on(&mut self, bytes: Bytes) -> Result<(), Error> {
        let Some(pipeline) = &mut self.pipeline else { return Err(self.session.unknown()) };
        let length = bytes.len();
        match pipeline.hand_on(bytes).await {
            Ok(()) => {
                self.offset += length as u64;
                Ok(())
            }
            Err(source) => Err(self.failed(source).await),
        }
    }

    async fn failed(&mut self, source: StoreError) -> Error {
        let error = self.registry.floor().failed("write an upload", source);
        self.abandon(error).await
    }

    /// Gives the session up because of `error`.
    async fn abandon(&mut self, error: Error) -> Error {
        // A dropped lane finishes the buffers it has; nobody waits for it any more.
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
        Ok((worker, filling)) => {
            let received = Received { worker, filling };
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
    /// Room for the next bytes; waits for a buffer if it needs one.
    async fn room(&mut self) -> &mut [u8] {
        let filling = match self.filling.take() {
            Some(filling) => filling,
            None => self.buffers.take().await,
        };
        self.filling.insert(filling).room()
    }

    /// Takes the bytes at the beginning of the room.
    fn advance(&mut self, length: usize) -> Result<(), StoreError> {
        let is_full = self.filling.as_mut().is_some_and(|filling| filling.advance(length));
        if is_full { self.send() } else { Ok(()) }
    }

    /// Hands bytes to the lane without copying them, behind those that were taken before.
    async fn hand_on(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.send()?;
        self.lane.push(self.buffers.hand_on(bytes).await)
    }

    /// Hands the buffer being filled to the lane.
    fn send(&mut self) -> Result<(), StoreError> {
        self.filling.take().map_or(Ok(()), |full| self.lane.push(full))
    }

    /// Waits until the lane is done; gives its worker, and what is left in the last, unfinished buffer.
    async fn drain(self) -> Result<(Worker, Option<Buffer>), StoreError> {
        Ok((self.lane.finish().await?, self.filling))
    }

    async fn pause(mut self) -> Result<Progress, StoreError> {
        let sent = self.send();
        let drained = self.drain().await;
        sent?;
        let (Worker { writing, hashing }, _) = drained?;
        let length = writing.length;
        // Closing the file gives reserved room back, which may wait for the disk; the session is not
        // free before. If it panics, the file is closed too.
        _ = tokio::task::spawn_blocking(move || drop(writing)).await;
        // A file that must still be read from its beginning is read when the session is closed.
        let hashes = hashing.catch_up.is_none().then_some(hashing.hashes);
        Ok(Progress { length, hashes })
    }
}

/// Everything of an upload, on its way to its place.
struct Received {
    worker: Worker,
    filling: Option<Buffer>,
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
        // Given back before the disk is waited for.
        let last = self.filling.take();
        self.worker.work(last.as_ref().map_or(&[][..], Buffer::bytes))?;
        drop(last);
        let Worker { writing, hashing } = &mut self.worker;
        let sha256 = hashing.hashes.sha256.clone().finalize();
        let found = match (claimed.algorithm(), hashing.hashes.sha512.take()) {
            (Algorithm::Sha256, _) => sha256,
            (Algorithm::Sha512, Some(sha512)) => sha512.finalize(),
            // Nobody said so before the last request: the file is read once more.
            (Algorithm::Sha512, None) => digest_of_path(&writing.path)?,
        };
        if found != *claimed {
            return Ok(Stored::Not { found });
        }
        let both = [*claimed, sha256];
        let named = if sha256 == *claimed { &both[..1] } else { &both[..] };
        let length = writing.length;
        // What was reserved beyond the blob goes back before the blob is in its place.
        writing.file = None;
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
