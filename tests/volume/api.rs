//! The distribution API as these tests ask it: bytes in, bytes out, and every status shown.

use ureq::Agent;
use ureq::http::{Method, Request, Response};
use wharf_oci::Digest;

use crate::content::Manifest;

/// One registry's API under `/v2/`.
pub(crate) struct Api {
    agent: Agent,
    base: String,
}

/// What a registry answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) location: String,
    pub(crate) body: Vec<u8>,
}

impl Api {
    /// The API of the registry at `address`, a host with a port.
    pub(crate) fn new(address: &str) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, base: format!("http://{address}") }
    }

    /// `GET /v2/PATH`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, &format!("/v2/{path}"), None, Vec::new())
    }

    /// `HEAD /v2/PATH`: the status alone.
    pub(crate) fn head(&self, path: &str) -> u16 {
        self.request(Method::HEAD, &format!("/v2/{path}"), None, Vec::new()).status
    }

    /// The strings of the one list in the answer to `GET /v2/PATH`, sorted: registry:2 does not.
    pub(crate) fn list(&self, path: &str, list: &str) -> Vec<String> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        // registry:2 says null for none.
        let entries = body[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut entries: Vec<String> =
            entries.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect();
        entries.sort();
        entries
    }

    /// Starts an upload session; returns its location.
    pub(crate) fn start_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.request(Method::POST, &path, None, Vec::new());
        assert_eq!(answer.status, 202, "{path}: {answer}");
        answer.location
    }

    /// Appends to an upload session; returns its location from now on.
    pub(crate) fn append(&self, location: &str, bytes: &[u8]) -> String {
        let answer = self.request(Method::PATCH, location, Some(OCTETS), bytes.to_vec());
        assert_eq!(answer.status, 202, "{location}: {answer}");
        answer.location
    }

    /// Ends an upload session with its last bytes.
    pub(crate) fn finish(&self, location: &str, bytes: &[u8], digest: &Digest) -> Answer {
        let separator = if location.contains('?') { '&' } else { '?' };
        let path = format!("{location}{separator}digest={digest}");
        self.request(Method::PUT, &path, Some(OCTETS), bytes.to_vec())
    }

    /// Pushes a blob in two pieces.
    pub(crate) fn push_blob(&self, repository: &str, digest: &Digest, bytes: &[u8]) {
        let (first, last) = bytes.split_at(bytes.len() / 2);
        let location = self.append(&self.start_upload(repository), first);
        let answer = self.finish(&location, last, digest);
        assert_eq!(answer.status, 201, "pushing {digest} to {repository}: {answer}");
    }

    /// Pushes a manifest under `reference`, a tag or a digest, with a query or none.
    pub(crate) fn push_manifest(&self, repository: &str, reference: &str, manifest: &Manifest) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer =
            self.request(Method::PUT, &path, Some(manifest.media_type), manifest.bytes.clone());
        assert_eq!(answer.status, 201, "{path}: {answer}");
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        // registry:2 sends absolute locations, and wants to be told which manifests are understood.
        let uri =
            if path.starts_with("http://") { path.into() } else { format!("{}{path}", self.base) };
        let mut request = Request::builder().method(&method).uri(uri);
        for accepted in crate::content::MEDIA_TYPES {
            request = request.header("accept", accepted);
        }
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let answered = if [Method::GET, Method::HEAD].contains(&method) {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        Answer::read(answered.unwrap_or_else(|error| panic!("{method} {path}: {error}")))
    }
}

const OCTETS: &str = "application/octet-stream";

impl Answer {
    fn read(response: Response<ureq::Body>) -> Self {
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            status: response.status().as_u16(),
            media_type: header("content-type").unwrap_or_default(),
            digest: header("docker-content-digest").unwrap_or_default(),
            location: header("location").unwrap_or_default(),
            body: response.into_body().with_config().limit(u64::MAX).read_to_vec().unwrap(),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}
