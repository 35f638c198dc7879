//! `Locations`: the `Location` headers of answers. Relative by default, which holds behind port
//! mappings, container networks and TLS proxies alike; absolute where the settings give a base.

use http::HeaderValue;
use wharf_oci::{Digest, Endpoint, Reference, RepositoryName, UploadId};

/// Makes `Location` headers.
#[derive(Debug, Clone)]
pub(super) struct Locations {
    /// What stands before the path, without a slash at its end; empty for relative ones.
    base: String,
}

impl Locations {
    pub(super) fn new(base: Option<&str>) -> Self {
        Self { base: base.unwrap_or_default().trim_end_matches('/').to_owned() }
    }

    pub(super) fn blob(&self, name: &RepositoryName, digest: &Digest) -> HeaderValue {
        self.of(&Endpoint::GetBlob { name: name.clone(), digest: *digest })
    }

    pub(super) fn manifest(&self, name: &RepositoryName, digest: &Digest) -> HeaderValue {
        let reference = Reference::Digest(*digest);
        self.of(&Endpoint::GetManifest { name: name.clone(), reference })
    }

    /// The one address of a session for as long as it lives: no offset, no state in it.
    pub(super) fn upload(&self, name: &RepositoryName, id: &UploadId) -> HeaderValue {
        self.of(&Endpoint::UploadStatus { name: name.clone(), id: *id })
    }

    fn of(&self, endpoint: &Endpoint) -> HeaderValue {
        visible(format!("{}{}", self.base, endpoint.to_uri()))
    }
}

/// A header value of text that consists of visible ASCII by construction.
pub(super) fn visible(text: String) -> HeaderValue {
    // A base from the settings with odd characters is the only way to the empty value.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_relative_unless_there_is_a_base() {
        let name = "a/b".parse().unwrap();
        let id = UploadId::from_random([7; 16]);
        let relative = Locations::new(None).upload(&name, &id);
        assert_eq!(relative, format!("/v2/a/b/blobs/uploads/{id}"));
        let absolute = Locations::new(Some("https://registry.example/")).upload(&name, &id);
        assert_eq!(absolute, format!("https://registry.example/v2/a/b/blobs/uploads/{id}"));
    }
}
