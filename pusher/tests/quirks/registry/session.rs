//! Uploads: begun or spared by a mount, continued, cut off, closed.

use std::io;

use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{Method, StatusCode, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wharf_oci::{ContentRange, Mount, RepositoryName};

use super::{House, drain, stored};
use crate::behaviour::Uploads;
use crate::image::digest;
use crate::serve::{Answer, answer, empty, refusal};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) name: RepositoryName,
    bytes: Vec<u8>,
    /// How many bytes its first request brought.
    first: Option<usize>,
}

/// The session that a path is about.
pub(super) fn session_id(path: &str) -> Option<String> {
    path.strip_prefix("/up/").map(str::to_owned)
}

impl House {
    pub(super) fn begin(
        &self,
        name: RepositoryName,
        mount: Option<Mount>,
        head: &request::Parts,
    ) -> Answer {
        let mut content = self.content();
        if let Some(Mount { digest, from: Some(from) }) = mount {
            let held = content.blobs.get(&(from.clone(), digest)).cloned();
            let held = held.filter(|_| self.may_pull(&from, head));
            if let Some(bytes) = held {
                content.blobs.insert((name.clone(), digest), bytes);
                return stored(&format!("/v2/{name}/blobs/{digest}"), &digest);
            }
            if let Some(status) = self.behaviour.mount_refusal {
                return refusal(status, "DENIED");
            }
        }
        content.sessions_begun += 1;
        let id = format!("session-{}", content.sessions_begun);
        content.sessions.insert(id.clone(), Session { name, bytes: Vec::new(), first: None });
        let location = match (self.behaviour.uploads, content.storage) {
            (Uploads::Elsewhere, Some(storage)) => {
                format!("http://{storage}/up/{id}?_state=signed")
            }
            _ => format!("/up/{id}?_state=kept%3D1"),
        };
        answer(StatusCode::ACCEPTED, &[("location", location)], Bytes::new())
    }

    /// Requests to a session's address.
    pub(super) async fn session(
        &self,
        id: &str,
        head: &request::Parts,
        body: &mut Incoming,
    ) -> io::Result<Answer> {
        // Without the state that it was given with, the address is nobody's.
        let has_state = head.uri.query().is_some_and(|query| query.contains("_state="));
        if !has_state || !self.content().sessions.contains_key(id) {
            drain(body).await?;
            return Ok(refusal(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"));
        }
        let chunks = &self.behaviour.chunks;
        match (&head.method, chunks.refusal) {
            (&Method::PATCH | &Method::GET, Some(status)) => {
                drain(body).await?;
                Ok(refusal(status, "UNSUPPORTED"))
            }
            (&Method::PATCH, None) => match self.receive(id, head, body).await? {
                Some(refused) => Ok(refused),
                None => Ok(self.standing(id, chunks.answer)),
            },
            (&Method::PUT, _) => match self.receive(id, head, body).await? {
                Some(refused) => Ok(refused),
                None => Ok(self.close(id, head)),
            },
            (&Method::GET, None) => Ok(self.standing(id, StatusCode::NO_CONTENT)),
            (&Method::DELETE, _) => {
                self.content().sessions.remove(id);
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Ok(refusal(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED")),
        }
    }

    /// Where a session stands.
    fn standing(&self, id: &str, status: StatusCode) -> Answer {
        let content = self.content();
        let session = &content.sessions[id];
        let held = session.first.filter(|_| self.behaviour.chunks.range_sticks);
        let held = held.unwrap_or(session.bytes.len());
        let range = format!("0-{}", held.saturating_sub(1));
        let location = match (self.behaviour.uploads, content.storage) {
            (Uploads::Elsewhere, Some(storage)) => {
                format!("http://{storage}/up/{id}?_state=signed")
            }
            _ => format!("/up/{id}?_state=kept%3D{held}"),
        };
        answer(status, &[("range", range), ("location", location)], Bytes::new())
    }

    /// Takes in what a request brings. Gives a refusal instead, if it has to.
    async fn receive(
        &self,
        id: &str,
        head: &request::Parts,
        body: &mut Incoming,
    ) -> io::Result<Option<Answer>> {
        let range = head.headers.get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
        if let Some(range) = range.filter(|_| self.behaviour.chunks.checks_range) {
            let range: ContentRange = range.parse().map_err(io::Error::other)?;
            let is_next = range.first == self.content().sessions[id].bytes.len() as u64;
            if !is_next || range.length() > self.behaviour.chunks.ranged_bytes_max {
                drain(body).await?;
                return Ok(Some(empty(StatusCode::RANGE_NOT_SATISFIABLE)));
            }
        }
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            received += data.len();
            let mut content = self.content();
            let is_cut =
                content.cuts < self.behaviour.cuts && received > self.behaviour.cut_after_bytes;
            let Some(session) = content.sessions.get_mut(id) else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            session.bytes.extend_from_slice(&data);
            if is_cut {
                session.first.get_or_insert(received);
                content.cuts += 1;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        if let Some(session) = self.content().sessions.get_mut(id) {
            session.first.get_or_insert(received);
        }
        Ok(None)
    }

    /// Closes a session, if its bytes are those of the digest.
    fn close(&self, id: &str, head: &request::Parts) -> Answer {
        let mut content = self.content();
        let Some(session) = content.sessions.remove(id) else {
            return refusal(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN");
        };
        let wanted = digest(&session.bytes);
        let query = head.uri.query().unwrap_or_default();
        let told = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "digest");
        if told.is_none_or(|(_, told)| told != wanted.to_string()) {
            return refusal(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
        }
        let location = format!("/v2/{}/blobs/{wanted}", session.name);
        content.blobs.insert((session.name, wanted), session.bytes.into());
        stored(&location, &wanted)
    }
}
