//! The other road: the registry takes the image out of a store that it sees itself, and no layer
//! crosses HTTP. Whatever it cannot do so is said in a typed way, so that the caller streams instead.

use wharf_client::{Ingest, IngestEvents, RegistryClient};
use wharf_oci::ingest::{BlobPlace, INGEST_VERSION, IngestEvent, IngestRequest, Secret};
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use crate::progress::{Event, Events};
use crate::push::Pushed;

/// An image for the registry to take in.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The image's id: the digest of its config.
    pub image: Digest,
    /// The repository to put it into.
    pub name: RepositoryName,
    /// The tag to give it; without one it is stored by its digest alone.
    pub tag: Option<Tag>,
}

/// Why the registry did not take an image in. No tag was moved, but for `Failed`, of which one cannot
/// know where the connection broke.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The registry has no ingest, or it is switched off.
    #[error("the registry offers no ingest")]
    NotOffered,
    /// The registry's store does not hold the image, or not in a form that can be taken in.
    #[error("the registry cannot take the image in: {reason}")]
    NotHeld {
        /// What the registry said.
        reason: String,
    },
    /// The secret is not the registry's.
    #[error("the registry does not accept the secret for ingest")]
    Unauthorised,
    /// Pusher and registry speak different versions of ingest.
    #[error("the registry speaks another version of ingest than {INGEST_VERSION}")]
    VersionMismatch,
    /// The registry began, and told why it could not go on.
    #[error("the registry stopped taking the image in: {reason}")]
    Failed {
        /// What the registry said.
        reason: String,
    },
    /// The registry could not be asked, or did not answer to the end.
    #[error("cannot have the registry take the image in")]
    Client(#[source] wharf_client::Error),
}

/// Has the registry take an image out of the store that it sees. Dropping the future calls it off.
///
/// # Errors
/// See [`IngestError`]: where the registry does not, or cannot, the caller pushes.
pub async fn ingest(
    client: &RegistryClient,
    wish: &Wish,
    secret: &Secret,
    events: &Events,
) -> Result<Pushed, IngestError> {
    let request = IngestRequest {
        version: INGEST_VERSION,
        image: wish.image,
        name: wish.name.clone(),
        tag: wish.tag.clone(),
    };
    match client.ingest(&request, secret).await.map_err(IngestError::Client)? {
        Ingest::Begun(told) => follow(told, wish, events).await,
        Ingest::NotOffered => Err(IngestError::NotOffered),
        Ingest::NotHeld(reason) => Err(IngestError::NotHeld { reason }),
        Ingest::Unauthorised => Err(IngestError::Unauthorised),
        Ingest::OtherVersion => Err(IngestError::VersionMismatch),
    }
}

/// Follows an ingest to its end.
async fn follow(
    mut told: Box<IngestEvents>,
    wish: &Wish,
    events: &Events,
) -> Result<Pushed, IngestError> {
    let reference = |digest| wish.tag.clone().map_or(Reference::Digest(digest), Reference::Tag);
    let mut blobs = Blobs::default();
    while let Some(event) = told.next().await.map_err(IngestError::Client)? {
        match event {
            IngestEvent::Begun { version: INGEST_VERSION } => {}
            IngestEvent::Begun { .. } => return Err(IngestError::VersionMismatch),
            IngestEvent::Blob { digest, size, layer, place } => {
                events.tell(Event::Found { digest, size, is_layer: layer });
                blobs.found(digest, size, place, events);
            }
            IngestEvent::Taken { digest, bytes } => {
                let of = blobs.size(&digest).unwrap_or(bytes);
                events.tell(Event::Sent { digest, sent: bytes, of });
            }
            IngestEvent::Stored { digest } => events.tell(Event::Stored { digest }),
            IngestEvent::Failed { message } => return Err(IngestError::Failed { reason: message }),
            IngestEvent::Done { digest, original, unchanged } => {
                let (name, reference) = (wish.name.clone(), reference(digest));
                events.tell(Event::Tagged {
                    name: name.clone(),
                    reference: reference.clone(),
                    digest,
                });
                return Ok(Pushed {
                    name,
                    reference,
                    digest,
                    is_original: original,
                    was_there: unchanged,
                    left_out: Vec::new(),
                    sent_bytes: blobs.of(BlobPlace::Store),
                    reused_bytes: blobs.of(BlobPlace::Repository),
                    mounted_bytes: blobs.of(BlobPlace::Registry),
                });
            }
        }
    }
    Err(IngestError::Failed { reason: "it ended without a result".to_owned() })
}

/// The blobs of the image that is taken in.
#[derive(Debug, Default)]
struct Blobs(Vec<(Digest, u64, BlobPlace)>);

impl Blobs {
    fn found(&mut self, digest: Digest, size: u64, place: BlobPlace, events: &Events) {
        self.0.push((digest, size, place));
        match place {
            BlobPlace::Store => {}
            BlobPlace::Repository => events.tell(Event::Present { digest }),
            BlobPlace::Registry => events.tell(Event::Mounted { digest, from: None }),
        }
    }

    fn size(&self, digest: &Digest) -> Option<u64> {
        self.0.iter().find(|(known, ..)| known == digest).map(|(_, size, _)| *size)
    }

    /// The bytes of the blobs that were there.
    fn of(&self, there: BlobPlace) -> u64 {
        self.0.iter().filter(|(_, _, place)| *place == there).map(|(_, size, _)| size).sum()
    }
}
