//! What goes to a registry: blobs in one request with their length, and manifests.
//!
//! A blob is never whole in memory unless it was given so: its source is read on a blocking
//! thread, a few chunks ahead of the connection.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use wharf_oci::{Algorithm, Digest, Endpoint, Manifest, Mount, Reference, RepositoryName};

use crate::answer::Answer;
use crate::client::{RegistryClient, Target};
use crate::error::{Error, SourceFailure};

/// How much is read from a source at once.
const CHUNK_BYTES: usize = 512 << 10;
/// How many chunks are read ahead of the connection.
const CHUNKS_AHEAD: usize = 3;

/// How a blob came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there: nothing was sent.
    Present,
    /// It was sent.
    Sent,
}

/// The bytes of a blob, to be sent once.
pub struct BlobSource {
    size: u64,
    bytes: SourceBytes,
}

enum SourceBytes {
    Memory(Bytes),
    Reader(Box<dyn Read + Send>),
}

impl BlobSource {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { size: bytes.len() as u64, bytes: SourceBytes::Memory(bytes) }
    }

    /// A reader that gives exactly `size` bytes. It is read on a blocking thread; if it gives
    /// fewer, the upload fails, and what it would give beyond is not read.
    pub fn reader(reader: impl Read + Send + 'static, size: u64) -> Self {
        Self { size, bytes: SourceBytes::Reader(Box::new(reader)) }
    }

    /// A file, as long as it is now.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let open = || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok(Self::reader(file, size))
        };
        open().map_err(|error: io::Error| Error::Source { source: Arc::new(error) })
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn into_body(self) -> RequestBody {
        match self.bytes {
            SourceBytes::Memory(bytes) => RequestBody::Memory(bytes),
            SourceBytes::Reader(reader) => RequestBody::reading(reader, self.size),
        }
    }
}

impl std::fmt::Debug for BlobSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BlobSource").field("size", &self.size).finish_non_exhaustive()
    }
}

impl RegistryClient {
    /// Sends a blob, unless the registry has it: HEAD, POST, and one PUT with the length
    /// (distribution spec, end-2, end-4a, end-6).
    pub async fn upload_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        source: BlobSource,
    ) -> Result<Uploaded, Error> {
        if self.head_blob(name, digest).await? == Some(source.size()) {
            return Ok(Uploaded::Present);
        }
        let session = Endpoint::StartUpload {
            name: name.clone(),
            mount: None,
            digest: None,
            // The hint tells the registry what to hash with while the bytes come; SHA-256 goes
            // without saying.
            algorithm: Some(digest.algorithm()).filter(|it| *it != Algorithm::Sha256),
        };
        let answer = self.ask(&session).await?.accept(&[StatusCode::ACCEPTED]).await?;
        let target = with_digest(&location(&answer)?, digest)
            .ok_or_else(|| answer.incomplete("with a Location that is no address"))?;
        drop(answer);

        let mut request = Request::new(source.into_body());
        *request.method_mut() = Method::PUT;
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, octets);
        let answer = self.send(target, request).await?.accept(&[StatusCode::CREATED]).await?;
        stored_as(&answer, digest).map(|()| Uploaded::Sent)
    }

    /// Takes a blob over from another repository, or from any that the registry chooses
    /// (distribution spec, end-11). False: it has none to give, and nothing was changed.
    pub async fn mount(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        let mount = Endpoint::StartUpload {
            name: name.clone(),
            mount: Some(Mount { digest: *digest, from: from.cloned() }),
            digest: None,
            algorithm: None,
        };
        let answer = self.ask(&mount).await?;
        let answer = answer.accept(&[StatusCode::CREATED, StatusCode::ACCEPTED]).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(true);
        }
        // The registry began an upload instead, which nobody is going to finish.
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = Method::DELETE;
        self.send(target(&location(&answer)?), request).await?;
        Ok(false)
    }

    /// Stores a manifest under a tag or its digest (distribution spec, end-7). Gives the digest
    /// under which the registry has it.
    pub async fn put_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Digest, Error> {
        let endpoint = Endpoint::PutManifest {
            name: name.clone(),
            reference: reference.clone(),
            tags: Vec::new(),
        };
        let media_type = HeaderValue::from_str(manifest.media_type()).ok();
        let body = RequestBody::Memory(manifest.bytes().clone());
        let answer = self.call(&endpoint, None, media_type, body).await?;
        let answer = answer.accept(&[StatusCode::CREATED]).await?;
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(_) => Digest::of(Algorithm::Sha256, manifest.bytes()),
        };
        stored_as(&answer, &digest).map(|()| digest)
    }
}

/// The address that an answer gives for what it made (distribution spec, end-4a).
fn location(answer: &Answer) -> Result<Uri, Error> {
    let location = answer.header(LOCATION).and_then(|location| location.parse::<Uri>().ok());
    location
        .filter(|uri| uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP))
        .ok_or_else(|| answer.incomplete("without a usable Location"))
}

fn target(location: &Uri) -> Target {
    match (location.authority(), location.path_and_query()) {
        (None, Some(path)) => Target::Path(path.clone()),
        _ => Target::Absolute(location.clone()),
    }
}

/// The session's address with the digest in its query, which may hold the session's state
/// already.
fn with_digest(location: &Uri, digest: &Digest) -> Option<Target> {
    let separator = if location.query().is_some() { '&' } else { '?' };
    let closing = format!("{location}{separator}digest={digest}").parse::<Uri>().ok()?;
    Some(target(&closing))
}

fn stored_as(answer: &Answer, digest: &Digest) -> Result<(), Error> {
    match answer.digest() {
        // A registry may name what it stored in the algorithm that it prefers.
        Some(stored) if stored.algorithm() == digest.algorithm() && stored != *digest => {
            Err(answer.mismatch(*digest, stored))
        }
        _ => Ok(()),
    }
}

/// The body of a request.
pub(crate) enum RequestBody {
    /// Bytes in memory; empty after they were sent.
    Memory(Bytes),
    /// Chunks that a blocking thread reads, and how many bytes are still to come.
    Reading { chunks: mpsc::Receiver<io::Result<Bytes>>, left: u64 },
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl RequestBody {
    fn reading(reader: Box<dyn Read + Send>, size: u64) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || read_chunks(reader, size, &sender));
        Self::Reading { chunks, left: size }
    }
}

/// Reads `size` bytes in chunks until they are all sent or nobody takes them any more.
fn read_chunks(
    mut reader: Box<dyn Read + Send>,
    size: u64,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) {
    let mut left = size;
    while left > 0 {
        let length = CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES));
        let mut chunk = vec![0; length];
        let result = reader.read_exact(&mut chunk).map(|()| Bytes::from(chunk));
        let failed = result.is_err();
        if sender.blocking_send(result).is_err() || failed {
            return;
        }
        left -= length as u64;
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = SourceFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailure>>> {
        let next = match self.get_mut() {
            Self::Memory(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Memory(bytes) => Ok(std::mem::take(bytes)),
            Self::Reading { left: 0, .. } => return Poll::Ready(None),
            Self::Reading { chunks, left } => match std::task::ready!(chunks.poll_recv(context)) {
                Some(chunk) => chunk.inspect(|chunk| *left -= chunk.len() as u64),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        };
        Poll::Ready(Some(next.map(Frame::data).map_err(|error| SourceFailure(Arc::new(error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Reading { left, .. } => *left,
        })
    }
}
