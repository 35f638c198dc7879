//! `Reference`, what follows a repository's name (a tag or a digest), and `ImageReference`, how
//! people write an image: host, name, tag and digest. No defaults are filled in here: neither a host
//! nor `latest`.

use std::fmt;
use std::str::FromStr;

use crate::quoted::quoted;
use crate::{Digest, DigestError, RepositoryName, RepositoryNameError, Tag, TagError};

/// A manifest's address inside its repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// By tag: what it points at may change.
    Tag(Tag),
    /// By digest: what it points at never changes.
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has no colon, so it was read as a tag.
    #[error(transparent)]
    Tag(TagError),
    /// It has a colon, so it was read as a digest.
    #[error(transparent)]
    Digest(DigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            text.parse().map(Self::Digest).map_err(ReferenceError::Digest)
        } else {
            text.parse().map(Self::Tag).map_err(ReferenceError::Tag)
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// An image as people write it: `[host[:port]/]name[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    /// `host` or `host:port`; an IPv6 address stands in brackets.
    pub registry: Option<String>,
    /// The repository.
    pub name: RepositoryName,
    /// The tag, if one is given.
    pub tag: Option<Tag>,
    /// The digest, if one is given. With a tag beside it, the digest decides.
    pub digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// The part before the first slash looks like a host, but is none.
    #[error("{host} is not a registry's host: expected host or host:port")]
    Host {
        /// What was given, shortened for the message.
        host: String,
    },
    /// The repository name.
    #[error(transparent)]
    Name(RepositoryNameError),
    /// The tag.
    #[error(transparent)]
    Tag(TagError),
    /// The digest.
    #[error(transparent)]
    Digest(DigestError),
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    /// The part before the first slash is a host if it has a dot or a colon, or is `localhost`, as
    /// with docker and podman.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let digest = digest.map(str::parse).transpose().map_err(ImageReferenceError::Digest)?;
        let (registry, rest) = match rest.split_once('/') {
            Some((host, rest)) if looks_like_host(host) => (Some(host), rest),
            _ => (None, rest),
        };
        if let Some(host) = registry.filter(|host| !is_host(host)) {
            return Err(ImageReferenceError::Host { host: quoted(host) });
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        Ok(Self {
            registry: registry.map(str::to_owned),
            name: name.parse().map_err(ImageReferenceError::Name)?,
            tag: tag.map(str::parse).transpose().map_err(ImageReferenceError::Tag)?,
            digest,
        })
    }
}

fn looks_like_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost"
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host_is_good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    host_is_good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// What stands between the dots of a host: nothing there is a path, as in `../app`.
fn is_label(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty()
        && text.bytes().all(is_letter)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        self.name.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn a_colon_makes_a_digest() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        assert_eq!("latest".parse(), Ok(Reference::Tag("latest".parse().unwrap())));
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert!(matches!("sha256:short".parse::<Reference>(), Err(ReferenceError::Digest(_))));
        assert!(matches!(".hidden".parse::<Reference>(), Err(ReferenceError::Tag(_))));
        // The referrers' fallback tag is a plain tag.
        assert!(matches!(format!("sha256-{}", digest.hex()).parse(), Ok(Reference::Tag(_))));
    }

    #[test]
    fn image_references_come_apart_and_together() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let with_digest = format!("localhost/a/b:v1@{digest}");
        let table = [
            ("alpine", None, "alpine", None),
            ("library/alpine:3.20", None, "library/alpine", Some("3.20")),
            (
                "kind-registry:5000/mcp/files:dev",
                Some("kind-registry:5000"),
                "mcp/files",
                Some("dev"),
            ),
            ("127.0.0.1:5000/a", Some("127.0.0.1:5000"), "a", None),
            ("[::1]:5000/a:b", Some("[::1]:5000"), "a", Some("b")),
            ("[::1]/a", Some("[::1]"), "a", None),
            ("ghcr.io/a/b", Some("ghcr.io"), "a/b", None),
            (with_digest.as_str(), Some("localhost"), "a/b", Some("v1")),
        ];
        for (text, registry, name, tag) in table {
            let image: ImageReference = text.parse().unwrap();
            assert_eq!(image.registry.as_deref(), registry, "{text}");
            assert_eq!(image.name.as_str(), name, "{text}");
            assert_eq!(image.tag.as_ref().map(Tag::as_str), tag, "{text}");
            assert_eq!(image.to_string(), text);
        }
        assert_eq!(with_digest.parse::<ImageReference>().unwrap().digest, Some(digest));
    }

    #[test]
    fn broken_image_references_are_refused() {
        let table = [
            "",
            "/",
            "A",
            "a:",
            "a:b:c",
            "host:port/a",
            "host:0/a",
            "a@sha256:00",
            "a.b/",
            "[x]:1/a",
            ":5000/a",
            "./a",
            "../a",
            "a..b/c",
            "-a.b/c",
            "a.b-/c",
        ];
        for text in table {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }
}
