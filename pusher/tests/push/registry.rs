//! A small registry in memory that does what the distribution spec says, unless a test tells it to do
//! something else with a request. It keeps what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wharf_client::{Limits, RegistryClient};
use wharf_oci::{ContentRange, Digest, Endpoint, Manifest};

use crate::made::of;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// Where the body's bytes belong, if it says so.
    pub(crate) range: Option<ContentRange>,
    /// The body's length, as announced.
    pub(crate) length: usize,
    pub(crate) kind: Kind,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    HeadManifest,
    PutManifest,
    HeadBlob,
    Start,
    Mount,
    Status,
    Patch,
    Put,
    Cancel,
}

/// What the registry does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// What it should.
    Usual,
    /// Nothing but this answer, before the body has come.
    Answer(StatusCode, &'static [(&'static str, &'static str)], &'static str),
    /// Takes so many bytes of the body and hangs up.
    BreakAfter(usize),
    /// Takes everything, says nothing.
    Hang,
    /// Does what it should, and hangs up instead of saying so.
    DoAndBreak,
    /// Does what it should, with another header.
    But(&'static str, &'static str),
}

/// What the registry has.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) blobs: HashMap<(String, Digest), Bytes>,
    pub(crate) uploads: HashMap<String, Vec<u8>>,
    pub(crate) manifests: HashMap<(String, String), Bytes>,
    pub(crate) asked: Vec<Asked>,
    next: usize,
    /// Whether the bytes of blobs are thrown away.
    is_sink: bool,
}

pub(crate) struct Registry {
    client: RegistryClient,
    shelf: Arc<Mutex<Shelf>>,
    /// The most uploads whose bodies came at the same time.
    busiest: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

type Decide = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Desk {
    shelf: Arc<Mutex<Shelf>>,
    decide: Decide,
    busy: Arc<AtomicUsize>,
    busiest: Arc<AtomicUsize>,
}

type Answer = Response<Full<Bytes>>;

impl Registry {
    pub(crate) async fn start(decide: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::patient(decide, Limits::default()).await
    }

    /// The same, with a client of these limits.
    pub(crate) async fn patient(
        decide: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        limits: Limits,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().into();
        let client = RegistryClient::with_limits(address, limits);
        let desk = Desk {
            shelf: Arc::default(),
            decide: Arc::new(decide),
            busy: Arc::default(),
            busiest: Arc::default(),
        };
        let (shelf, busiest) = (Arc::clone(&desk.shelf), Arc::clone(&desk.busiest));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let desk = desk.clone();
                let service = service_fn(move |request| desk.clone().serve(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { client, shelf, busiest, accepting }
    }

    /// One that throws the bytes of blobs away, and believes every digest.
    pub(crate) async fn sink() -> Self {
        let registry = Self::start(|_| Reply::Usual).await;
        registry.shelf().is_sink = true;
        registry
    }

    pub(crate) fn client(&self) -> &RegistryClient {
        &self.client
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }

    /// How many requests of a kind came.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.of_kind(kind).len()
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> Vec<Asked> {
        self.shelf().asked.iter().filter(|asked| asked.kind == kind).cloned().collect()
    }

    pub(crate) fn busiest(&self) -> usize {
        self.busiest.load(Ordering::SeqCst)
    }

    pub(crate) fn has(&self, name: &str, digest: &Digest) -> bool {
        self.shelf().blobs.contains_key(&(name.to_owned(), *digest))
    }

    /// The manifest under a reference.
    pub(crate) fn manifest(&self, name: &str, reference: &str) -> Option<Bytes> {
        self.shelf().manifests.get(&(name.to_owned(), reference.to_owned())).cloned()
    }

    /// Everything asked so far is forgotten.
    pub(crate) fn forget_asked(&self) {
        self.shelf().asked.clear();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection that ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the registry hangs up")]
struct HungUp;

impl Desk {
    async fn serve(self, request: Request<Incoming>) -> Result<Answer, HungUp> {
        let endpoint = Endpoint::parse(request.method(), request.uri()).unwrap();
        let asked = self.note(&request, &endpoint);
        let reply = (self.decide)(&asked);
        let limit = match reply {
            Reply::Answer(status, headers, body) => {
                // What is still sent is read, as servers do: a connection that is closed upon it may
                // take the answer with it.
                tokio::spawn(request.into_body().collect());
                return Ok(answer(status, headers, body));
            }
            Reply::BreakAfter(bytes) => bytes,
            _ => usize::MAX,
        };
        if let Some(refusal) = self.shelf.lock().unwrap().out_of_order(&endpoint, &asked) {
            return Ok(refusal);
        }
        let body = self.receive(request, &endpoint, limit).await?;
        if matches!(reply, Reply::Hang) {
            std::future::pending::<Infallible>().await;
        }
        let mut response = self.shelf.lock().unwrap().act(endpoint, body);
        if matches!(reply, Reply::DoAndBreak) {
            return Err(HungUp);
        }
        if let Reply::But(header, value) = reply {
            response.headers_mut().insert(header, value.parse().unwrap());
        }
        Ok(response)
    }

    fn note(&self, request: &Request<Incoming>, endpoint: &Endpoint) -> Asked {
        let kind = match endpoint {
            Endpoint::HeadManifest { .. } => Kind::HeadManifest,
            Endpoint::PutManifest { .. } => Kind::PutManifest,
            Endpoint::HeadBlob { .. } => Kind::HeadBlob,
            Endpoint::StartUpload { mount: None, .. } => Kind::Start,
            Endpoint::StartUpload { mount: Some(_), .. } => Kind::Mount,
            Endpoint::UploadStatus { .. } => Kind::Status,
            Endpoint::AppendUpload { .. } => Kind::Patch,
            Endpoint::FinishUpload { .. } => Kind::Put,
            Endpoint::CancelUpload { .. } => Kind::Cancel,
            Endpoint::GetManifest { .. } if request.method() == Method::HEAD => Kind::HeadManifest,
            Endpoint::GetBlob { .. } if request.method() == Method::HEAD => Kind::HeadBlob,
            other => panic!("a pusher does not ask for {other:?}"),
        };
        let header = |name: &str| request.headers().get(name)?.to_str().ok();
        let mut shelf = self.shelf.lock().unwrap();
        let asked = Asked {
            target: request.uri().to_string(),
            range: header("content-range").map(|range| range.parse().unwrap()),
            length: header("content-length").map_or(0, |length| length.parse().unwrap()),
            kind,
        };
        shelf.asked.push(asked.clone());
        asked
    }

    /// The body; of an upload, what came is kept, also when the registry then hangs up.
    async fn receive(
        &self,
        request: Request<Incoming>,
        endpoint: &Endpoint,
        limit: usize,
    ) -> Result<Bytes, HungUp> {
        let id = match endpoint {
            Endpoint::AppendUpload { id, .. } | Endpoint::FinishUpload { id, .. } => {
                Some(id.to_string())
            }
            _ => None,
        };
        let busy = self.busy.fetch_add(usize::from(id.is_some()), Ordering::SeqCst);
        self.busiest.fetch_max(busy + usize::from(id.is_some()), Ordering::SeqCst);
        let mut body = request.into_body();
        let (mut bytes, mut came) = (Vec::new(), 0);
        let mut is_whole = true;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                is_whole = false;
                break;
            };
            let Ok(data) = frame.into_data() else { continue };
            let data = &data[..data.len().min(limit - came)];
            came += data.len();
            match &id {
                Some(id) => {
                    let mut shelf = self.shelf.lock().unwrap();
                    let is_kept = !shelf.is_sink;
                    if let Some(upload) = shelf.uploads.get_mut(id).filter(|_| is_kept) {
                        upload.extend_from_slice(data);
                    }
                }
                None => bytes.extend_from_slice(data),
            }
            if came == limit {
                is_whole = false;
                break;
            }
        }
        self.busy.fetch_sub(usize::from(id.is_some()), Ordering::SeqCst);
        if is_whole && limit == usize::MAX { Ok(bytes.into()) } else { Err(HungUp) }
    }
}

impl Shelf {
    fn act(&mut self, endpoint: Endpoint, body: Bytes) -> Answer {
        match endpoint {
            Endpoint::HeadManifest { name, reference }
            | Endpoint::GetManifest { name, reference } => {
                match self.manifests.get(&(name.to_string(), reference.to_string())) {
                    Some(bytes) => {
                        let manifest = Manifest::from_stored(bytes.clone()).unwrap();
                        let mut found = answer(StatusCode::OK, &[], "");
                        let headers = found.headers_mut();
                        headers.insert("content-type", manifest.media_type().parse().unwrap());
                        headers.insert("content-length", bytes.len().into());
                        let digest = of(bytes).to_string();
                        headers.insert("docker-content-digest", digest.parse().unwrap());
                        found
                    }
                    None => empty(StatusCode::NOT_FOUND),
                }
            }
            Endpoint::PutManifest { name, reference, .. } => {
                self.put_manifest(&name.to_string(), &reference.to_string(), body)
            }
            Endpoint::HeadBlob { name, digest } | Endpoint::GetBlob { name, digest } => {
                match self.blobs.get(&(name.to_string(), digest)) {
                    Some(bytes) => {
                        let mut found = empty(StatusCode::OK);
                        found.headers_mut().insert("content-length", bytes.len().into());
                        found
                    }
                    None => empty(StatusCode::NOT_FOUND),
                }
            }
            Endpoint::StartUpload { name, mount, .. } => {
                let found = mount.and_then(|mount| {
                    // This one knows no mounts without a source.
                    let key = (mount.from?.to_string(), mount.digest);
                    Some((mount.digest, self.blobs.get(&key)?.clone()))
                });
                if let Some((digest, bytes)) = found {
                    self.blobs.insert((name.to_string(), digest), bytes);
                    return empty(StatusCode::CREATED);
                }
                self.next += 1;
                let id = format!("00000000-0000-4000-8000-{:012x}", self.next);
                self.uploads.insert(id.clone(), Vec::new());
                located(StatusCode::ACCEPTED, &name.to_string(), &id)
            }
            Endpoint::UploadStatus { name, id } => match self.uploads.get(&id.to_string()) {
                Some(upload) => {
                    let last = upload.len().saturating_sub(1);
                    let mut status =
                        located(StatusCode::NO_CONTENT, &name.to_string(), &id.to_string());
                    status.headers_mut().insert("range", format!("0-{last}").parse().unwrap());
                    status
                }
                None => unknown(),
            },
            Endpoint::AppendUpload { name, id } => match self.uploads.contains_key(&id.to_string())
            {
                true => located(StatusCode::ACCEPTED, &name.to_string(), &id.to_string()),
                false => unknown(),
            },
            Endpoint::FinishUpload { name, id, digest } => {
                let Some(bytes) = self.uploads.remove(&id.to_string()) else { return unknown() };
                if of(&bytes) != digest && !self.is_sink {
                    let code = r#"{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}"#;
                    return answer(StatusCode::BAD_REQUEST, &[], code);
                }
                self.blobs.insert((name.to_string(), digest), bytes.into());
                empty(StatusCode::CREATED)
            }
            Endpoint::CancelUpload { id, .. } => match self.uploads.remove(&id.to_string()) {
                Some(_) => empty(StatusCode::NO_CONTENT),
                None => unknown(),
            },
            other => panic!("a pusher does not ask for {other:?}"),
        }
    }

    /// What comes must begin where the upload ends.
    fn out_of_order(&self, endpoint: &Endpoint, asked: &Asked) -> Option<Answer> {
        let (Endpoint::AppendUpload { id, .. } | Endpoint::FinishUpload { id, .. }) = endpoint
        else {
            return None;
        };
        let held = self.uploads.get(&id.to_string())?.len() as u64;
        let first = asked.range.map_or(0, |range| range.first);
        let is_refused = first != held && (asked.range.is_some() || asked.length > 0);
        is_refused.then(|| empty(StatusCode::RANGE_NOT_SATISFIABLE))
    }

    fn put_manifest(&mut self, name: &str, reference: &str, body: Bytes) -> Answer {
        let manifest = Manifest::from_stored(body.clone()).unwrap();
        let blobs = manifest.config().into_iter().chain(manifest.layers());
        let mut missing =
            blobs.filter(|blob| !self.blobs.contains_key(&(name.to_owned(), blob.digest)));
        let mut children = manifest.children().iter().map(|child| child.digest.to_string());
        let has_all = missing.next().is_none()
            && children.all(|child| self.manifests.contains_key(&(name.to_owned(), child)));
        if !has_all {
            let code = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"missing"}]}"#;
            return answer(StatusCode::BAD_REQUEST, &[], code);
        }
        self.manifests.insert((name.to_owned(), of(&body).to_string()), body.clone());
        self.manifests.insert((name.to_owned(), reference.to_owned()), body);
        empty(StatusCode::CREATED)
    }
}

fn answer(status: StatusCode, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = status;
    for (header, value) in headers {
        response.headers_mut().insert(*header, value.parse().unwrap());
    }
    response
}

fn empty(status: StatusCode) -> Answer {
    answer(status, &[], "")
}

fn unknown() -> Answer {
    let code = r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"no such upload"}]}"#;
    answer(StatusCode::NOT_FOUND, &[], code)
}

fn located(status: StatusCode, name: &str, id: &str) -> Answer {
    let mut response = empty(status);
    let location = format!("/v2/{name}/blobs/uploads/{id}");
    response.headers_mut().insert("location", location.parse().unwrap());
    response
}
