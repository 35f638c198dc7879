//! What the servers of one test were asked, in the order in which it came, and by which of them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, request};

/// How much of a body is kept, in bytes: enough for forms and manifests.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Which of the servers was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The registry.
    Registry,
    /// The server of tokens that the registry names.
    Realm,
    /// A storage that the registry sends uploads to.
    Storage,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) host: Host,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// How it begins.
    pub(crate) body: Bytes,
}

/// All requests so far. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Seen>>>);

impl Ledger {
    /// Writes one down before it is answered; gives its place.
    pub(crate) fn note(&self, host: Host, head: &request::Parts) -> usize {
        let seen = Seen {
            host,
            method: head.method.clone(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: Bytes::new(),
        };
        let mut all = self.0.lock().unwrap();
        all.push(seen);
        all.len() - 1
    }

    /// Adds the body of a request, when it has come.
    pub(crate) fn note_body(&self, place: usize, body: &[u8]) {
        let body = &body[..body.len().min(BODY_BYTES_MAX)];
        self.0.lock().unwrap()[place].body = Bytes::copy_from_slice(body);
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, host: Host) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.host == host).collect()
    }

    /// How many requests of this method came to this server.
    pub(crate) fn count(&self, host: Host, method: &Method) -> usize {
        self.of(host).iter().filter(|seen| seen.method == method).count()
    }
}

impl Seen {
    /// Whether it gives the secret away, in whatever form.
    pub(crate) fn holds(&self, secret: &str) -> bool {
        let secret = secret.as_bytes();
        let holds = |text: &[u8]| text.windows(secret.len()).any(|window| window == secret);
        holds(self.target.as_bytes())
            || holds(&self.body)
            || self.headers.values().any(|value| holds(value.as_bytes()))
    }

    pub(crate) fn is_authorized(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }
}
