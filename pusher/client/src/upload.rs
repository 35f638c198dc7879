//! What goes to a registry: blobs, and manifests. A blob goes in one request with its length; what
//! has to be done otherwise, with sessions of its own, stands in `session`.

mod body;
mod pieces;
mod session;
mod source;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderValue};
use wharf_oci::{Algorithm, Digest, Endpoint, Manifest, Reference, RepositoryName};

use crate::answer::Answer;
use crate::client::RegistryClient;
use crate::error::Error;

pub(crate) use body::RequestBody;
pub use session::{Begun, UploadSession};
pub use source::BlobSource;

/// How a blob came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there: nothing was sent.
    Present,
    /// It was sent.
    Sent,
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
        if self.has_blob(name, digest, source.size()).await? {
            return Ok(Uploaded::Present);
        }
        let mut session = self.begin_upload(name, digest).await?;
        session.put(digest, source, 0).await.map(|()| Uploaded::Sent)
    }

    /// Whether the repository has a blob of this size (distribution spec, end-2). A registry that
    /// sends the asker elsewhere for the bytes has it too; one of another size is as good as none.
    pub async fn has_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) -> Result<bool, Error> {
        let answer = self.ask(&Endpoint::HeadBlob { name: name.clone(), digest: *digest }).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT => Ok(true),
            _ => {
                let answer = answer.accept(&[StatusCode::OK]).await?;
                let length = answer.header(CONTENT_LENGTH).and_then(|it| it.parse::<u64>().ok());
                Ok(length.is_none_or(|length| length == size))
            }
        }
    }

    /// Takes a blob over from another repository, or from any that the registry chooses
    /// (distribution spec, end-11). False: it has none to give, and nothing was changed.
    pub async fn mount(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        match self.mount_or_begin(name, digest, from).await? {
            Begun::Mounted => Ok(true),
            // The registry began an upload instead, which nobody is going to finish.
            Begun::Session(session) => session.cancel().await.map(|()| false),
        }
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

fn stored_as(answer: &Answer, digest: &Digest) -> Result<(), Error> {
    match answer.digest() {
        // A registry may name what it stored in the algorithm that it prefers.
        Some(stored) if stored.algorithm() == digest.algorithm() && stored != *digest => {
            Err(answer.mismatch(*digest, stored))
        }
        _ => Ok(()),
    }
}
