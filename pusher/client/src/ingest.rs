//! Ingest, asked for: a registry of Wharf's takes an image out of a store that it can see itself,
//! and tells how far it is. That it will not is an answer, not an error: there is always the push.

use bytes::BytesMut;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use wharf_oci::ErrorCode;
use wharf_oci::ingest::{IMAGE_UNKNOWN, INGEST_PATH, IngestEvent, IngestRequest, Secret};

use crate::answer::Answer;
use crate::client::{RegistryClient, Target};
use crate::error::Error;
use crate::upload::RequestBody;

/// The longest line that is taken for an event, in bytes.
const EVENT_BYTES_MAX: usize = 64 << 10;

/// What a registry makes of the wish that it take an image in.
#[derive(Debug)]
pub enum Ingest {
    /// It takes the image in, and tells how far it is.
    Begun(Box<IngestEvents>),
    /// It has no such end-point, or it is switched off.
    NotOffered,
    /// Its store does not hold the image, or not in a form that can be taken in; with what it said.
    NotHeld(String),
    /// The secret is not its own.
    Unauthorised,
    /// It speaks another version of ingest.
    OtherVersion,
}

impl RegistryClient {
    /// Asks the registry to take an image in. Dropping what this gives calls it off.
    ///
    /// The secret goes to whoever answers at this client's address: that is for the caller to want.
    pub async fn ingest(&self, wish: &IngestRequest, secret: &Secret) -> Result<Ingest, Error> {
        #[expect(clippy::expect_used, reason = "names, tags and digests are text")]
        let wish = serde_json::to_vec(wish).expect("a request is written as JSON");
        let mut request = Request::new(RequestBody::Memory(wish.into()));
        *request.method_mut() = Method::POST;
        #[expect(clippy::expect_used, reason = "a secret is visible ASCII")]
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.exposed()))
            .expect("a secret can go in a header");
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);

        let path = PathAndQuery::from_static(INGEST_PATH);
        let answer = self.send(Target::Path(path), request).await?;
        if answer.status() == StatusCode::OK {
            let events = IngestEvents { answer, line: BytesMut::new(), has_ended: false };
            return Ok(Ingest::Begun(Box::new(events)));
        }
        match answer.accept(&[StatusCode::OK]).await {
            Ok(answer) => Err(answer.incomplete("in an unexpected way")),
            Err(refusal) => refused(refusal),
        }
    }
}

/// What a refusal means.
fn refused(refusal: Error) -> Result<Ingest, Error> {
    let Error::Refused { status, code, message, .. } = &refusal else { return Err(refusal) };
    let is = |expected: &str| code.as_deref() == Some(expected);
    let unsupported = ErrorCode::Unsupported.as_str();
    match *status {
        StatusCode::NOT_FOUND if is(IMAGE_UNKNOWN) => {
            Ok(Ingest::NotHeld(message.clone().unwrap_or_default()))
        }
        StatusCode::NOT_FOUND => Ok(Ingest::NotOffered),
        // A registry that may not be written to says so by this status too.
        StatusCode::METHOD_NOT_ALLOWED if !is(unsupported) => Ok(Ingest::NotOffered),
        StatusCode::UNAUTHORIZED => Ok(Ingest::Unauthorised),
        StatusCode::BAD_REQUEST if is(unsupported) => Ok(Ingest::OtherVersion),
        _ => Err(refusal),
    }
}

/// What a registry tells of an ingest, as it happens. Dropping it calls the ingest off, unless its
/// last event has come.
#[derive(Debug)]
pub struct IngestEvents {
    answer: Answer,
    /// The beginning of the next line.
    line: BytesMut,
    has_ended: bool,
}

impl IngestEvents {
    /// The next event; none after the last, which is `done` or `failed`.
    ///
    /// # Errors
    /// The connection broke, or what came is no event: whether a tag was moved is not known then.
    pub async fn next(&mut self) -> Result<Option<IngestEvent>, Error> {
        while !self.has_ended {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let line = self.line.split_to(end + 1);
                let event = serde_json::from_slice(&line).map_err(|_| self.malformed())?;
                self.has_ended =
                    matches!(event, IngestEvent::Done { .. } | IngestEvent::Failed { .. });
                return Ok(Some(event));
            }
            if self.line.len() > EVENT_BYTES_MAX {
                return Err(self.malformed());
            }
            let Answer { address, request, response, .. } = &mut self.answer;
            let Some(frame) = response.body_mut().frame().await else {
                return Err(self.answer.incomplete("and stopped before its end"));
            };
            let frame = frame.map_err(|error| Error::on_the_way(address, request, error.into()))?;
            if let Ok(bytes) = frame.into_data() {
                self.line.extend_from_slice(&bytes);
            }
        }
        Ok(None)
    }

    fn malformed(&self) -> Error {
        self.answer.incomplete("with something that is no event of an ingest")
    }
}
