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
                if !blobs.found(digest, size, place, events) {
                    return Err(IngestError::Failed {
                        reason: "it names blobs without end".into(),
                    });
                }
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

/// The most blobs that an image has: far more than any.
const BLOBS_MAX: usize = 4096;

/// The blobs of the image that is taken in.
#[derive(Debug, Default)]
struct Blobs(Vec<(Digest, u64, BlobPlace)>);

impl Blobs {
    /// Notes one; false when there are more than an image has.
    fn found(&mut self, digest: Digest, size: u64, place: BlobPlace, events: &Events) -> bool {
        self.0.push((digest, size, place));
        match place {
            BlobPlace::Store => {}
            BlobPlace::Repository => events.tell(Event::Present { digest }),
            BlobPlace::Registry => events.tell(Event::Mounted { digest, from: None }),
        }
        self.0.len() <= BLOBS_MAX
    }

    fn size(&self, digest: &Digest) -> Option<u64> {
        self.0.iter().find(|(known, ..)| known == digest).map(|(_, size, _)| *size)
    }

    /// The bytes of the blobs that were there.
    fn of(&self, there: BlobPlace) -> u64 {
        self.0
            .iter()
            .filter(|(_, _, place)| *place == there)
            .fold(0, |sum, (_, size, _)| sum.saturating_add(*size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use tokio::sync::mpsc;
    use wharf_oci::Algorithm;

    fn of(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    /// What comes of an ingest when the registry answers with this status and these lines, and what
    /// is told meanwhile.
    async fn ingested(
        status: &str,
        lines: &[IngestEvent],
        tag: Option<&str>,
    ) -> (Result<Pushed, IngestError>, Vec<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = RegistryClient::new(listener.local_addr().unwrap().into());
        let lines = lines.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
        let body = lines.collect::<String>();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut step) = (Vec::new(), [0; 4096]);
            // The whole request: what is left unread would break the connection.
            while !request.ends_with(b"}") {
                let read = stream.read(&mut step).unwrap();
                assert!(read > 0, "the request is cut off");
                request.extend_from_slice(&step[..read]);
            }
            stream.write_all((head + &body).as_bytes()).unwrap();
        });
        let (sender, mut told) = mpsc::unbounded_channel();
        let tag = tag.map(|tag| tag.parse().unwrap());
        let wish = Wish { image: of("config"), name: "app".parse().unwrap(), tag };
        let secret = "0123456789abcdef".parse().unwrap();
        let result = ingest(&client, &wish, &secret, &Events::to(sender)).await;
        answering.join().unwrap();
        let mut events = Vec::new();
        while let Ok(event) = told.try_recv() {
            events.push(event);
        }
        (result, events)
    }

    fn blob(text: &str, size: u64, place: BlobPlace) -> IngestEvent {
        IngestEvent::Blob { digest: of(text), size, layer: text != "config", place }
    }

    #[tokio::test]
    async fn it_gives_what_a_push_gives() {
        let lines = [
            IngestEvent::Begun { version: INGEST_VERSION },
            blob("large", 100, BlobPlace::Store),
            blob("there", 20, BlobPlace::Repository),
            blob("linked", 3, BlobPlace::Registry),
            IngestEvent::Taken { digest: of("large"), bytes: 50 },
            IngestEvent::Stored { digest: of("large") },
            IngestEvent::Done { digest: of("manifest"), original: false, unchanged: false },
        ];
        for tag in [Some("1"), None] {
            let (pushed, events) = ingested("200 OK", &lines, tag).await;
            let pushed = pushed.unwrap();
            let reference = match tag {
                Some(tag) => tag.parse().unwrap(),
                None => Reference::Digest(of("manifest")),
            };
            assert_eq!((pushed.digest, &pushed.reference), (of("manifest"), &reference));
            assert!(!pushed.is_original && !pushed.was_there);
            let bytes = (pushed.sent_bytes, pushed.reused_bytes, pushed.mounted_bytes);
            assert_eq!(bytes, (100, 20, 3));
            let found = |text, size| Event::Found { digest: of(text), size, is_layer: true };
            let (name, digest) = ("app".parse().unwrap(), of("manifest"));
            let expected = [
                found("large", 100),
                found("there", 20),
                Event::Present { digest: of("there") },
                found("linked", 3),
                Event::Mounted { digest: of("linked"), from: None },
                Event::Sent { digest: of("large"), sent: 50, of: 100 },
                Event::Stored { digest: of("large") },
                Event::Tagged { name, reference, digest },
            ];
            assert_eq!(events, expected);
        }
    }

    #[tokio::test]
    async fn whatever_else_happens_is_told_apart() {
        let begun = |version| IngestEvent::Begun { version };
        let failed = IngestEvent::Failed { message: "because".to_owned() };
        let (result, _) = ingested("200 OK", &[begun(INGEST_VERSION), failed], None).await;
        assert!(matches!(result, Err(IngestError::Failed { reason }) if reason == "because"));
        let (result, _) = ingested("200 OK", &[begun(INGEST_VERSION + 1)], None).await;
        assert!(matches!(result, Err(IngestError::VersionMismatch)), "{result:?}");
        let (result, _) = ingested("200 OK", &[begun(INGEST_VERSION)], None).await;
        assert!(matches!(result, Err(IngestError::Client(_))), "{result:?}");
        let (result, _) = ingested("404 Not Found", &[], None).await;
        assert!(matches!(result, Err(IngestError::NotOffered)), "{result:?}");
        let (result, _) = ingested("401 Unauthorized", &[], None).await;
        assert!(matches!(result, Err(IngestError::Unauthorised)), "{result:?}");
    }
}
