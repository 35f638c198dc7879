//! A registry in memory that does what the distribution spec says, but for its [`Behaviour`].

mod access;
mod session;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, StatusCode, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wharf_oci::{Digest, Endpoint, Manifest, Reference, RepositoryName};

use crate::authority::Grants;
use crate::behaviour::Behaviour;
use crate::image::digest;
use crate::ledger::{Host, Ledger};
use crate::serve::{Answer, Server, answer, empty, refusal};
use session::{Session, session_id};

/// A registry, and the storage that it may send uploads to.
#[derive(Debug)]
pub(crate) struct Registry {
    server: Server,
    _storage: Server,
    house: Arc<House>,
}

/// What both of its servers share.
#[derive(Debug)]
struct House {
    behaviour: Behaviour,
    ledger: Ledger,
    realm: SocketAddr,
    grants: Grants,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    blobs: HashMap<(RepositoryName, Digest), Bytes>,
    manifests: HashMap<(RepositoryName, String), Manifest>,
    sessions: HashMap<String, Session>,
    sessions_begun: usize,
    refused_for_rate: usize,
    cuts: usize,
    storage: Option<SocketAddr>,
}

impl Registry {
    pub(crate) async fn start(
        behaviour: Behaviour,
        realm: SocketAddr,
        grants: Grants,
        ledger: Ledger,
    ) -> Self {
        let content = Mutex::default();
        let house = Arc::new(House { behaviour, ledger, realm, grants, content });
        let serve = |host| {
            let house = Arc::clone(&house);
            Server::start(move |request| Arc::clone(&house).reply(host, request))
        };
        let (server, storage) = (serve(Host::Registry).await, serve(Host::Storage).await);
        house.content().storage = Some(storage.address);
        Self { server, _storage: storage, house }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Puts a blob into a repository.
    pub(crate) fn hold(&self, name: &RepositoryName, bytes: Bytes) {
        self.house.content().blobs.insert((name.clone(), digest(&bytes)), bytes);
    }

    pub(crate) fn blob(&self, name: &RepositoryName, digest: &Digest) -> Option<Bytes> {
        self.house.content().blobs.get(&(name.clone(), *digest)).cloned()
    }

    pub(crate) fn manifest(&self, name: &RepositoryName, reference: &str) -> Option<Manifest> {
        self.house.content().manifests.get(&(name.clone(), reference.to_owned())).cloned()
    }

    /// How many uploads were cut off.
    pub(crate) fn cuts(&self) -> usize {
        self.house.content().cuts
    }

    /// How many uploads are open.
    pub(crate) fn open_sessions(&self) -> usize {
        self.house.content().sessions.len()
    }
}

impl House {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    async fn reply(self: Arc<Self>, host: Host, request: Request<Incoming>) -> io::Result<Answer> {
        let (head, mut body) = request.into_parts();
        let place = self.ledger.note(host, &head);
        if self.is_over_rate() {
            drain(body).await?;
            let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS");
            answer.headers_mut().insert("retry-after", "1".parse().unwrap());
            return Ok(answer);
        }
        if let Some(answer) = self.refuses(host, &head) {
            drain(body).await?;
            return Ok(answer);
        }
        if let Some(id) = session_id(head.uri.path()) {
            return self.session(&id, &head, &mut body).await;
        }
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.ledger.note_body(place, &body);
        Ok(match Endpoint::parse(&head.method, &head.uri) {
            Ok(endpoint) => self.endpoint(endpoint, &head, body),
            Err(_) => empty(StatusCode::NOT_FOUND),
        })
    }

    fn is_over_rate(&self) -> bool {
        let mut content = self.content();
        content.refused_for_rate += 1;
        content.refused_for_rate <= self.behaviour.refused_for_rate
    }

    /// What is said to a request that is not let in, or too large.
    fn refuses(&self, host: Host, head: &request::Parts) -> Option<Answer> {
        if host == Host::Storage {
            // As S3 does: what is signed in the address must not be signed in a header as well.
            let is_twice = head.headers.contains_key(AUTHORIZATION);
            return is_twice.then(|| refusal(StatusCode::BAD_REQUEST, "UNSUPPORTED"));
        }
        if let Some(challenge) = self.challenge(head) {
            let mut answer = refusal(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            answer.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            return Some(answer);
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        let is_large = length.unwrap_or(usize::MAX) > self.behaviour.request_bytes_max;
        let has_body = head.method == Method::PUT || head.method == Method::PATCH;
        (has_body && is_large).then(|| empty(StatusCode::PAYLOAD_TOO_LARGE))
    }

    fn endpoint(&self, endpoint: Endpoint, head: &request::Parts, body: Bytes) -> Answer {
        match endpoint {
            Endpoint::Version => empty(StatusCode::OK),
            Endpoint::HeadBlob { name, digest } | Endpoint::GetBlob { name, digest } => {
                let content = self.content();
                match content.blobs.get(&(name, digest)) {
                    Some(_) if self.behaviour.redirects_blobs => {
                        elsewhere(content.storage, &digest)
                    }
                    Some(bytes) => found("application/octet-stream", &digest, bytes, head),
                    None => refusal(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
                }
            }
            Endpoint::HeadManifest { name, reference }
            | Endpoint::GetManifest { name, reference } => {
                match self.content().manifests.get(&(name, reference.to_string())) {
                    Some(manifest) => {
                        let bytes = manifest.bytes();
                        found(manifest.media_type(), &digest(bytes), bytes, head)
                    }
                    None => refusal(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
                }
            }
            Endpoint::StartUpload { name, mount, .. } => self.begin(name, mount, head),
            Endpoint::PutManifest { name, reference, .. } => {
                self.put_manifest(name, &reference, head, body)
            }
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        }
    }

    fn put_manifest(
        &self,
        name: RepositoryName,
        reference: &Reference,
        head: &request::Parts,
        body: Bytes,
    ) -> Answer {
        let mut content = self.content();
        let Ok(manifest) = Manifest::from_stored(body) else {
            return refusal(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
        };
        let is_typed = head.headers.get(CONTENT_TYPE).is_some_and(|it| it == manifest.media_type());
        let is_taken =
            |layer: &wharf_oci::Descriptor| (self.behaviour.takes_layer)(&layer.media_type);
        if !is_typed || !manifest.layers().iter().all(is_taken) {
            return refusal(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
        }
        let mut parts = manifest.config().into_iter().chain(manifest.layers());
        let is_held = |part: &wharf_oci::Descriptor| {
            let held = content.blobs.get(&(name.clone(), part.digest));
            held.is_some_and(|bytes| bytes.len() as u64 == part.size)
        };
        if !parts.all(is_held) {
            return refusal(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = digest(manifest.bytes());
        let location = format!("/v2/{name}/manifests/{digest}");
        for key in [reference.to_string(), digest.to_string()] {
            content.manifests.insert((name.clone(), key), manifest.clone());
        }
        stored(&location, &digest)
    }
}

fn stored(location: &str, digest: &Digest) -> Answer {
    let headers =
        [("location", location.to_owned()), ("docker-content-digest", digest.to_string())];
    answer(StatusCode::CREATED, &headers, Bytes::new())
}

/// Sends who asks for a blob to the storage.
fn elsewhere(storage: Option<SocketAddr>, digest: &Digest) -> Answer {
    let location = storage.map(|it| format!("http://{it}/{}?signature=1", digest.hex()));
    let headers = [("location", location.unwrap_or_default())];
    answer(StatusCode::TEMPORARY_REDIRECT, &headers, Bytes::new())
}

fn found(media_type: &str, digest: &Digest, bytes: &Bytes, head: &request::Parts) -> Answer {
    let headers = [
        ("content-type", media_type.to_owned()),
        ("docker-content-digest", digest.to_string()),
        ("content-length", bytes.len().to_string()),
    ];
    let body = if head.method == Method::HEAD { Bytes::new() } else { bytes.clone() };
    answer(StatusCode::OK, &headers, body)
}

/// Takes in what nobody wants, so that the client gets to hear the answer.
async fn drain(mut body: impl std::borrow::BorrowMut<Incoming>) -> io::Result<()> {
    while let Some(frame) = body.borrow_mut().frame().await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}
