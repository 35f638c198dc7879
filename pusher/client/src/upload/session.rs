//! An upload session from the client's side: begun, continued, asked where it stands, closed,
//! cancelled. It keeps the address that the registry gave last, which may hold the session's state.

use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use wharf_oci::{Algorithm, ContentRange, Digest, Endpoint, Mount, RepositoryName};

use crate::answer::Answer;
use crate::client::{RegistryClient, Target};
use crate::error::Error;
use crate::upload::{BlobSource, RequestBody, stored_as};

/// The fewest bytes that a registry takes in a chunk which is not the last (distribution spec,
/// "Pushing a blob in chunks").
const OCI_CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// What became of a wish to mount.
#[derive(Debug)]
pub enum Begun {
    /// The repository has the blob.
    Mounted,
    /// The registry did not find it, and began an upload instead.
    Session(Box<UploadSession>),
}

/// An upload that the registry keeps until it is closed, cancelled or too old.
#[derive(Debug, Clone)]
pub struct UploadSession {
    client: RegistryClient,
    location: Uri,
    chunk_bytes_min: u64,
}

impl RegistryClient {
    /// Begins an upload (distribution spec, end-4a).
    pub async fn begin_upload(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<UploadSession, Error> {
        let answer = self.start(name, digest, None).await?;
        UploadSession::of(self.pushing_to(name), &answer.accept(&[StatusCode::ACCEPTED]).await?)
    }

    /// Takes a blob over from another repository, or from any that the registry chooses
    /// (distribution spec, end-11), or else begins to upload it.
    pub async fn mount_or_begin(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<Begun, Error> {
        let mount = Mount { digest: *digest, from: from.cloned() };
        let answer = self.start(name, digest, Some(mount)).await?;
        let answer = answer.accept(&[StatusCode::CREATED, StatusCode::ACCEPTED]).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(Begun::Mounted);
        }
        UploadSession::of(self.pushing_to(name), &answer).map(|it| Begun::Session(Box::new(it)))
    }

    async fn start(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        mount: Option<Mount>,
    ) -> Result<Answer, Error> {
        // The hint tells the registry what to hash with while the bytes come; SHA-256 goes without
        // saying.
        let algorithm = Some(digest.algorithm()).filter(|it| *it != Algorithm::Sha256);
        let name = name.clone();
        self.ask(&Endpoint::StartUpload { name, mount, digest: None, algorithm }).await
    }
}

impl UploadSession {
    fn of(client: RegistryClient, answer: &Answer) -> Result<Self, Error> {
        let chunk_bytes_min = answer.header(OCI_CHUNK_MIN_LENGTH).and_then(|it| it.parse().ok());
        Ok(Self {
            client,
            location: location(answer)?,
            chunk_bytes_min: chunk_bytes_min.unwrap_or(0),
        })
    }

    /// The fewest bytes that the registry takes in a chunk which is not the last; 0 if it does not
    /// care.
    #[must_use]
    pub fn chunk_bytes_min(&self) -> u64 {
        self.chunk_bytes_min
    }

    /// Sends what follows the first `from` bytes, and closes the session (distribution spec, end-6).
    /// The blob is in the repository then.
    pub async fn put(
        &mut self,
        digest: &Digest,
        source: BlobSource,
        from: u64,
    ) -> Result<(), Error> {
        let closing = with_digest(&self.location, digest).ok_or_else(|| self.unusable())?;
        let answer = self.send(Method::PUT, closing, source, from).await?;
        stored_as(&answer.accept(&[StatusCode::CREATED]).await?, digest)
    }

    /// Sends a part that follows the first `from` bytes, and leaves the session open
    /// (distribution spec, end-5).
    pub async fn patch(&mut self, source: BlobSource, from: u64) -> Result<(), Error> {
        let answer = self.send(Method::PATCH, target(&self.location), source, from).await?;
        // ECR answers 201; what `Range` says is not asked for, since it stands still there.
        let good = [StatusCode::ACCEPTED, StatusCode::CREATED, StatusCode::NO_CONTENT];
        let answer = answer.accept(&good).await?;
        self.follow(&answer);
        Ok(())
    }

    /// How many bytes the session holds (distribution spec, end-13). 0 may also be one: registries
    /// answer `0-0` to both.
    pub async fn status(&mut self) -> Result<u64, Error> {
        let request = Request::new(RequestBody::default());
        let answer = self.client.send(target(&self.location), request).await?;
        let answer = answer.accept(&[StatusCode::NO_CONTENT, StatusCode::OK]).await?;
        self.follow(&answer);
        let held = |range: &str| range.trim().strip_prefix("bytes=").unwrap_or(range).parse();
        match answer.header(RANGE).map(held) {
            None => Ok(0),
            Some(Ok(ContentRange { first: 0, last: 0 })) => Ok(0),
            Some(Ok(range @ ContentRange { first: 0, .. })) => Ok(range.length()),
            Some(_) => Err(answer.incomplete("with a Range that makes no sense")),
        }
    }

    /// Gives the session up (distribution spec, end-14). One that is gone is as good; registry:2 says
    /// that it is gone, too, when it holds the half of a request that broke, which it keeps until it
    /// purges what is old.
    pub async fn cancel(self) -> Result<(), Error> {
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = Method::DELETE;
        let answer = self.client.send(target(&self.location), request).await?;
        let good = [StatusCode::NO_CONTENT, StatusCode::ACCEPTED, StatusCode::OK];
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(()),
            _ => answer.accept(&good).await.map(drop),
        }
    }

    async fn send(
        &self,
        method: Method,
        target: Target,
        source: BlobSource,
        from: u64,
    ) -> Result<Answer, Error> {
        let size = source.size();
        let mut request = Request::new(source.into_body());
        let is_part = size > 0 && (from > 0 || method == Method::PATCH);
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if is_part {
            let range = ContentRange { first: from, last: from + size - 1 };
            headers.extend(HeaderValue::try_from(range.to_string()).map(|it| (CONTENT_RANGE, it)));
        }
        self.client.send(target, request).await
    }

    /// Takes the address that the registry gives for the next request, if it does.
    fn follow(&mut self, answer: &Answer) {
        if let Ok(location) = location(answer) {
            self.location = location;
        }
    }

    fn unusable(&self) -> Error {
        Error::Incomplete {
            address: self.client.address().clone(),
            request: format!("POST {}", self.location.path()),
            lack: "with a Location that is no address",
        }
    }
}

/// The address that an answer gives for what it made (distribution spec, end-4a).
fn location(answer: &Answer) -> Result<Uri, Error> {
    let location = answer.header(LOCATION).and_then(|location| location.parse::<Uri>().ok());
    location
        .filter(|uri| uri.scheme().is_none_or(|it| [Scheme::HTTP, Scheme::HTTPS].contains(it)))
        .ok_or_else(|| answer.incomplete("without a usable Location"))
}

fn target(location: &Uri) -> Target {
    match (location.authority(), location.path_and_query()) {
        (None, Some(path)) => Target::Path(path.clone()),
        _ => Target::Absolute(location.clone()),
    }
}

/// The session's address with the digest in its query, which may hold the session's state already.
fn with_digest(location: &Uri, digest: &Digest) -> Option<Target> {
    let separator = if location.query().is_some() { '&' } else { '?' };
    let closing = format!("{location}{separator}digest={digest}").parse::<Uri>().ok()?;
    Some(target(&closing))
}
