//! An answer of a registry on its way to a value: status, headers, and a body that is read up to
//! a limit. It refuses to let a status pass that the caller did not name.

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use wharf_oci::{Digest, ErrorBody};

use crate::address::RegistryAddress;
use crate::error::Error;
use crate::retry;

/// The most that is read of an answer that reports an error, in bytes.
const ERROR_BYTES_MAX: u64 = 64 << 10;
/// The most characters that are shown of an answer that is no error body.
const MESSAGE_CHARACTERS_MAX: usize = 200;

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName =
    HeaderName::from_static("docker-content-digest");

/// A response, and what it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) address: RegistryAddress,
    /// Method and path of the request.
    pub(crate) request: String,
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

    /// The whole body, of at most `limit` bytes.
    pub(crate) async fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
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

    /// What the registry said when it refused (distribution spec, Error Codes).
    async fn refusal(mut self) -> Error {
        // An answer that breaks off is still a refusal with a status.
        let bytes = self.read(ERROR_BYTES_MAX).await.unwrap_or_default();
        let (code, message) = match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => body.errors.into_iter().next().map_or((None, None), |entry| {
                (Some(entry.code), Some(entry.message).filter(|message| !message.is_empty()))
            }),
            Err(_) => (None, first_line(&bytes)),
        };
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
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let printable = line.chars().filter(|character| !character.is_control());
    Some(printable.take(MESSAGE_CHARACTERS_MAX).collect())
}
