//! An answer of a registry on its way to a value: status, headers, and a body that is read up to
//! a limit. It refuses to let a status pass that the caller did not name.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use wharf_oci::{Digest, ErrorBody};

use crate::address::RegistryAddress;
use crate::credential;
use crate::error::Error;
use crate::retry;

/// The most that is read of an answer that reports an error, in bytes.
const ERROR_BYTES_MAX: u64 = 64 << 10;
/// The most characters that are shown of an answer that is no error body.
const LINE_CHARACTERS_MAX: usize = 200;
/// The most characters that are shown of a message in an error body.
const MESSAGE_CHARACTERS_MAX: usize = 1000;
/// The most characters that are shown of an error code.
const CODE_CHARACTERS_MAX: usize = 64;

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName =
    HeaderName::from_static("docker-content-digest");

/// A response, and what it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) address: RegistryAddress,
    /// Method and path of the request.
    pub(crate) request: String,
    /// The credential that the request showed, if it showed one.
    pub(crate) credential: Option<HeaderValue>,
    /// How long its body may take.
    pub(crate) time_max: Duration,
    pub(crate) response: Response<Incoming>,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The answer, if its status is one of these; else what the registry said.
    pub(crate) async fn accept(self, statuses: &[StatusCode]) -> Result<Self, Error> {
        if statuses.contains(&self.status()) { Ok(self) } else { Err(self.refusal().await) }
    }

    /// The text of a header; none if it is absent or not ASCII.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The digest that the registry gives for what it answered.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.header(DOCKER_CONTENT_DIGEST)?.parse().ok()
    }

    pub(crate) fn incomplete(&self, lack: &'static str) -> Error {
        Error::Incomplete { address: self.address.clone(), request: self.request.clone(), lack }
    }

    pub(crate) fn mismatch(&self, expected: Digest, found: Digest) -> Error {
        mismatch(&self.request, expected, found)
    }

    /// The whole body, of at most `limit` bytes, if it comes in time.
    pub(crate) async fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
        let time_max = self.time_max;
        match timeout(time_max, self.read_to_end(limit)).await {
            Ok(read) => read,
            Err(_) => Err(Error::Slow {
                address: self.address.clone(),
                request: self.request.clone(),
                limit: time_max,
            }),
        }
    }

    async fn read_to_end(&mut self, limit: u64) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge { request: self.request.clone(), limit };
        let body = self.response.body_mut();
        if body.size_hint().lower() > limit {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|error| Error::on_the_way(&self.address, &self.request, error.into()))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() as u64 + data.len() as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    /// Whether a text of the answer tells the credential that the request showed.
    pub(crate) fn repeats(&self, text: &str) -> bool {
        self.credential.as_ref().is_some_and(|shown| credential::is_told(shown, text))
    }

    /// What the registry said when it refused (distribution spec, Error Codes).
    async fn refusal(mut self) -> Error {
        // An answer that breaks off is still a refusal with a status.
        let bytes = self.read(ERROR_BYTES_MAX).await.unwrap_or_default();
        let (code, message) = match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => body.errors.into_iter().next().map_or((None, None), |entry| {
                let message = printable(&entry.message, MESSAGE_CHARACTERS_MAX);
                (printable(&entry.code, CODE_CHARACTERS_MAX), message)
            }),
            Err(_) => (None, first_line(&bytes)),
        };
        let [code, message] = [code, message].map(|it| it.filter(|text| !self.repeats(text)));
        let status = self.status();
        let retry_after = self.header(RETRY_AFTER).and_then(retry::after);
        let Self { address, request, .. } = self;
        Error::Refused { address, request, status, code, message, retry_after }
    }
}

pub(crate) fn mismatch(request: &str, expected: Digest, found: Digest) -> Error {
    Error::DigestMismatch {
        request: request.to_owned(),
        expected: Box::new(expected),
        found: Box::new(found),
    }
}

fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().find_map(|line| printable(line, LINE_CHARACTERS_MAX))
}

/// What a person may see of a text: one line of at most `max` characters, and nothing that a terminal
/// takes for a command. None: that is nothing.
fn printable(text: &str, max: usize) -> Option<String> {
    let text: String = text.chars().filter(|it| !it.is_control()).take(max).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
