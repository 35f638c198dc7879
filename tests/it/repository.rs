//! One repository on a server, in the registry's words: push a blob in any way the specification
//! knows, put a manifest, list tags, ask for referrers. Each step checks what the specification
//! says about it.

use crate::content::{Algorithm, Manifest, sha256};
use crate::harness::Server;
use crate::wire::{Request, Response};
use serde_json::Value;

/// The ways to push a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// POST, then PUT with the bytes (end-4a, end-6).
    PostPut,
    /// One POST with digest and bytes (end-4b).
    SinglePost,
    /// `PATCH`es with Content-Range, then an empty PUT (end-5, end-6).
    Chunked,
    /// `PATCH`es with Content-Range, the last chunk in the PUT.
    ChunkedPut,
    /// One PATCH without Content-Range, in chunked transfer encoding, then an empty PUT.
    Streamed,
}

impl Push {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::PostPut, Self::SinglePost, Self::Chunked, Self::ChunkedPut, Self::Streamed];
}

/// A repository on a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repository<'a> {
    /// The server.
    pub(crate) server: &'a Server,
    /// The name.
    pub(crate) name: &'a str,
}

impl<'a> Repository<'a> {
    /// The repository called `name`; nothing happens on the server.
    pub(crate) fn new(server: &'a Server, name: &'a str) -> Self {
        Self { server, name }
    }

    /// `/v2/<name>/blobs/<digest>`.
    pub(crate) fn blob_path(&self, digest: &str) -> String {
        format!("/v2/{}/blobs/{digest}", self.name)
    }

    /// `/v2/<name>/blobs/uploads/`.
    pub(crate) fn uploads_path(&self) -> String {
        format!("/v2/{}/blobs/uploads/", self.name)
    }

    /// `/v2/<name>/manifests/<reference>`.
    pub(crate) fn manifest_path(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.name)
    }

    /// `/v2/<name>/referrers/<digest>`.
    pub(crate) fn referrers_path(&self, digest: &str) -> String {
        format!("/v2/{}/referrers/{digest}", self.name)
    }

    /// `/v2/<name>/tags/list`.
    pub(crate) fn tags_path(&self) -> String {
        format!("/v2/{}/tags/list", self.name)
    }

    /// Opens an upload session and gives its location (end-4a).
    #[track_caller]
    pub(crate) fn start_upload(&self) -> String {
        self.server.post(self.uploads_path()).expect(202).location()
    }

    /// Pushes a blob with its sha256 digest, which it gives back.
    #[track_caller]
    pub(crate) fn push(&self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        self.push_as(Push::PostPut, bytes, &digest).expect(&digest, 201);
        digest
    }

    /// Pushes a blob under a digest, whichever; gives the last answer.
    #[track_caller]
    pub(crate) fn push_as(&self, push: Push, bytes: &[u8], digest: &str) -> Response {
        match push {
            Push::PostPut => {
                let location = self.start_upload();
                let put = self.server.put(with_digest(&location, digest));
                put.header("Content-Type", "application/octet-stream").body(bytes).send()
            }
            Push::SinglePost => {
                let post = self.server.post(with_digest(&self.uploads_path(), digest));
                post.header("Content-Type", "application/octet-stream").body(bytes).send()
            }
            Push::Chunked | Push::ChunkedPut => self.push_in_chunks(push, bytes, digest),
            Push::Streamed => {
                let location = self.start_upload();
                let patched = self.server.patch(location).chunked(bytes).expect(202);
                self.server.put(with_digest(&patched.location(), digest)).send()
            }
        }
    }

    fn push_in_chunks(&self, push: Push, bytes: &[u8], digest: &str) -> Response {
        let mut location = self.start_upload();
        let mut offset = 0;
        for chunk in bytes.chunks((bytes.len() / 3 + 1).max(1)) {
            let last = offset + chunk.len() - 1;
            if push == Push::ChunkedPut && last + 1 == bytes.len() {
                let put = self.server.put(with_digest(&location, digest));
                return put.header("Content-Range", format!("{offset}-{last}")).body(chunk).send();
            }
            let patched = self.patch(&location, offset, chunk).expect(202);
            assert_eq!(patched.the("Range"), format!("0-{last}"));
            location = patched.location();
            offset = last + 1;
        }
        self.server.put(with_digest(&location, digest)).send()
    }

    /// A PATCH with Content-Range (end-5).
    pub(crate) fn patch(&self, location: &str, offset: usize, chunk: &[u8]) -> Request {
        let range = format!("{offset}-{}", (offset + chunk.len()).saturating_sub(1));
        let patch = self.server.patch(location).header("Content-Range", range);
        patch.header("Content-Type", "application/octet-stream").body(chunk)
    }

    /// Closes a session (end-6).
    pub(crate) fn close(&self, location: &str, digest: &str) -> Request {
        self.server.put(with_digest(location, digest))
    }

    /// A PUT of a manifest under a reference (end-7).
    pub(crate) fn put(&self, reference: &str, manifest: &Manifest) -> Request {
        let put = self.server.put(self.manifest_path(reference));
        put.header("Content-Type", manifest.media_type.as_str()).body(manifest.bytes.as_slice())
    }

    /// A GET of a manifest, with the `Accept` that clients send (end-3).
    pub(crate) fn manifest(&self, reference: &str) -> Request {
        accepting(self.server.get(self.manifest_path(reference)))
    }

    /// A HEAD of a manifest (end-3).
    pub(crate) fn manifest_head(&self, reference: &str) -> Request {
        accepting(self.server.head(self.manifest_path(reference)))
    }

    /// A GET of a blob (end-2).
    pub(crate) fn blob(&self, digest: &str) -> Request {
        self.server.get(self.blob_path(digest))
    }

    /// A HEAD of a blob (end-2).
    pub(crate) fn blob_head(&self, digest: &str) -> Request {
        self.server.head(self.blob_path(digest))
    }

    /// Pushes blobs and then a manifest under a tag; gives the manifest's sha256 digest.
    #[track_caller]
    pub(crate) fn push_image(&self, tag: &str, blobs: &[Vec<u8>], manifest: &Manifest) -> String {
        for blob in blobs {
            self.push(blob);
        }
        self.put(tag, manifest).expect(201);
        manifest.digest()
    }

    /// Makes an image out of `name` and pushes it under a tag of that name; gives its digest.
    #[track_caller]
    pub(crate) fn push_named(&self, name: &str) -> String {
        let (blobs, manifest) = crate::content::image(Algorithm::Sha256, name);
        self.push_image(name, &blobs, &manifest)
    }

    /// All tags (end-8a).
    #[track_caller]
    pub(crate) fn tags(&self) -> Vec<String> {
        strings(&self.server.get(self.tags_path()).expect(200).json()["tags"])
    }

    /// All referrers (end-12a), the answer's form checked.
    #[track_caller]
    pub(crate) fn referrers(&self, digest: &str) -> Vec<Value> {
        referrers(&self.server.get(self.referrers_path(digest)).expect(200))
    }
}

/// The entries of a referrers answer, its form checked (distribution spec, "Listing Referrers").
#[track_caller]
pub(crate) fn referrers(response: &Response) -> Vec<Value> {
    assert_eq!(response.the("Content-Type"), crate::content::INDEX);
    let body = response.json();
    assert_eq!(body["schemaVersion"], 2, "{response}");
    assert_eq!(body["mediaType"], crate::content::INDEX, "{response}");
    body["manifests"].as_array().unwrap_or_else(|| panic!("no list: {response}")).clone()
}

/// The strings of a JSON list; null is not a list.
#[track_caller]
pub(crate) fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("not a list: {value}"));
    list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Adds `digest` to whatever query the location has, escaped as Go clients do.
pub(crate) fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={}", digest.replace(':', "%3A"))
}

fn accepting(request: Request) -> Request {
    use crate::content::{DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX};
    [INDEX, IMAGE, DOCKER_IMAGE, DOCKER_LIST].iter().fold(request, |r, t| r.header("Accept", *t))
}
