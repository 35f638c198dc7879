//! What comes from a registry: manifests, and blobs as they stream. Each is checked against its
//! digest, and bytes that do not match end in an error.

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Body;
use wharf_oci::{Algorithm, Descriptor, Digest, Endpoint, Hasher, Manifest, Reference};
use wharf_oci::{RepositoryName, media_type};

use crate::answer::{Answer, mismatch};
use crate::client::{RegistryClient, Target};
use crate::error::Error;
use crate::target::joined;
use crate::upload::RequestBody;

/// How often a registry may send the asker elsewhere for one thing.
const REDIRECTS_MAX: usize = 5;

/// Every type of manifest that [`Manifest`] understands, the exact one first.
const ACCEPTED_MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as a registry gave it, bytes and digest agreeing.
#[derive(Debug, Clone)]
pub struct PulledManifest {
    /// The digest asked for; for a tag, the one that the registry gave or else the SHA-256.
    pub digest: Digest,
    /// The manifest.
    pub manifest: Manifest,
}

impl RegistryClient {
    /// Fetches a manifest (distribution spec, end-3).
    pub async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<PulledManifest, Error> {
        let endpoint = Endpoint::GetManifest { name: name.clone(), reference: reference.clone() };
        let answer = self.fetch(&endpoint, Some(ACCEPTED_MANIFESTS)).await?;
        let mut answer = answer.accept(&[StatusCode::OK]).await?;
        let bytes = answer.read(self.limits.manifest_bytes_max).await?;
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => answer.digest(),
        };
        let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let digest = Digest::of(algorithm, &bytes);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(answer.mismatch(expected, digest));
        }
        let manifest = Manifest::parse(bytes, answer.header(CONTENT_TYPE)).map_err(|source| {
            Error::ManifestMalformed {
                address: answer.address.clone(),
                request: answer.request.clone(),
                source: Box::new(source),
            }
        })?;
        Ok(PulledManifest { digest, manifest })
    }

    /// Asks for type, digest and size of a manifest; none if it does not exist
    /// (distribution spec, end-3).
    pub async fn head_manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Descriptor>, Error> {
        let endpoint = Endpoint::HeadManifest { name: name.clone(), reference: reference.clone() };
        let answer = self.call(&endpoint, Some(ACCEPTED_MANIFESTS), None, <_>::default()).await?;
        let Some(answer) = found(answer).await? else { return Ok(None) };
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(_) => answer
                .digest()
                .ok_or_else(|| answer.incomplete("without a Docker-Content-Digest"))?,
        };
        let media_type = answer.header(CONTENT_TYPE).unwrap_or(media_type::OCI_MANIFEST);
        Ok(Some(Descriptor::new(media_type, digest, length(&answer)?)))
    }

    /// Asks for the size of a blob in bytes; none if it does not exist
    /// (distribution spec, end-2).
    pub async fn head_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, Error> {
        let answer = self.ask(&Endpoint::HeadBlob { name: name.clone(), digest: *digest }).await?;
        found(answer).await?.map(|answer| length(&answer)).transpose()
    }

    /// Begins to fetch a blob (distribution spec, end-2).
    pub async fn blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Download, Error> {
        let endpoint = Endpoint::GetBlob { name: name.clone(), digest: *digest };
        let answer = self.fetch(&endpoint, None).await?.accept(&[StatusCode::OK]).await?;
        let hasher = Hasher::new(digest.algorithm());
        Ok(Download { answer, expected: *digest, hasher: Some(hasher) })
    }

    /// Asks for something, and again where the registry says that it is to be had. Nobody else is
    /// shown a credential, and what comes is checked by whoever asked.
    async fn fetch(
        &self,
        endpoint: &Endpoint,
        accept: Option<&'static str>,
    ) -> Result<Answer, Error> {
        let mut answer = self.call(endpoint, accept, None, <_>::default()).await?;
        let mut asked = self.origin();
        for _ in 0..REDIRECTS_MAX {
            if !is_redirection(answer.status()) {
                return Ok(answer);
            }
            let next = answer.header(LOCATION).and_then(|text| resolved(text, &asked));
            asked = next.ok_or_else(|| answer.incomplete("without a usable Location"))?;
            let mut request = Request::new(RequestBody::default());
            if let Some(accept) = accept {
                request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
            }
            answer = self.send(Target::Absolute(asked.clone()), request).await?;
        }
        Err(answer.incomplete("with one redirect after the other"))
    }
}

/// A blob on its way. Its chunks can be used as they come, but they are the blob only once
/// [`chunk`](Download::chunk) has given none.
#[derive(Debug)]
pub struct Download {
    answer: Answer,
    expected: Digest,
    // None once the end was reached and checked.
    hasher: Option<Hasher>,
}

impl Download {
    /// The size that the registry announced, in bytes.
    pub fn size(&self) -> Option<u64> {
        self.answer.response.body().size_hint().exact()
    }

    /// The next bytes; none at the end, when all of them had the right digest.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Answer { address, request, response, .. } = &mut self.answer;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|error| Error::on_the_way(address, request, error.into()))?;
            let Ok(bytes) = frame.into_data() else { continue };
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes);
            }
            return Ok(Some(bytes));
        }
        match self.hasher.take().map(Hasher::finalize) {
            Some(found) if found != self.expected => {
                Err(mismatch(&self.answer.request, self.expected, found))
            }
            _ => Ok(None),
        }
    }

    /// The whole blob in memory, of at most `limit` bytes.
    pub async fn bytes(mut self, limit: u64) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(Error::TooLarge { request: self.answer.request, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

fn is_redirection(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// The address that a `Location` gives, which may leave out the host that was asked.
fn resolved(location: &str, asked: &Uri) -> Option<Uri> {
    let uri: Uri = location.parse().ok()?;
    match uri.authority() {
        Some(_) => Some(uri),
        None => Some(joined(asked, uri.into_parts().path_and_query?)),
    }
}

async fn found(answer: Answer) -> Result<Option<Answer>, Error> {
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    answer.accept(&[StatusCode::OK]).await.map(Some)
}

fn length(answer: &Answer) -> Result<u64, Error> {
    let length = answer.header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    length.ok_or_else(|| answer.incomplete("without a Content-Length"))
}
