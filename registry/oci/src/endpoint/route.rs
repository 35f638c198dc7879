//! `Route`: which end-point a path belongs to, found from its right-hand end, since a repository's
//! name may itself contain `blobs`, `tags` and `manifests`. Nothing is checked here but the shape.

use super::EndpointError;

/// A path of the API, with its fields still unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Version,
    Catalog,
    Tags { name: &'a str },
    Referrers { name: &'a str, digest: &'a str },
    Blob { name: &'a str, digest: &'a str },
    Uploads { name: &'a str },
    Upload { name: &'a str, id: &'a str },
    Manifest { name: &'a str, reference: &'a str },
}

impl<'a> Route<'a> {
    /// Reads a decoded path.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        match rest {
            "" => return Some(Self::Version),
            "_catalog" => return Some(Self::Catalog),
            _ => {}
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags { name });
        }
        // registry:2 redirects the form without the slash; clients' bodies are lost on that way.
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Some(Self::Uploads { name });
        }
        let (parent, last) = rest.rsplit_once('/')?;
        if let Some(name) = parent.strip_suffix("/blobs/uploads") {
            return Some(if last.is_empty() {
                Self::Uploads { name }
            } else {
                Self::Upload { name, id: last }
            });
        }
        match parent.rsplit_once('/')? {
            (name, "blobs") => Some(Self::Blob { name, digest: last }),
            (name, "manifests") => Some(Self::Manifest { name, reference: last }),
            (name, "referrers") => Some(Self::Referrers { name, digest: last }),
            _ => None,
        }
    }

    /// The answer to a method that the end-point does not take.
    pub(super) fn refuses(self) -> EndpointError {
        let allowed = match self {
            Self::Version | Self::Catalog | Self::Tags { .. } | Self::Referrers { .. } => {
                "GET, HEAD"
            }
            Self::Blob { .. } => "GET, HEAD, DELETE",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
            Self::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        };
        EndpointError::Method { allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_the_right() {
        let table = [
            ("/v2/", Some(Route::Version)),
            ("/v2/_catalog", Some(Route::Catalog)),
            ("/v2/a/tags/list", Some(Route::Tags { name: "a" })),
            ("/v2/a/tags/list/tags/list", Some(Route::Tags { name: "a/tags/list" })),
            ("/v2/a/blobs/uploads/tags/list", Some(Route::Tags { name: "a/blobs/uploads" })),
            ("/v2/a/b/blobs/d", Some(Route::Blob { name: "a/b", digest: "d" })),
            ("/v2/blobs/blobs/d", Some(Route::Blob { name: "blobs", digest: "d" })),
            ("/v2/a/blobs/uploads", Some(Route::Uploads { name: "a" })),
            ("/v2/a/blobs/uploads/", Some(Route::Uploads { name: "a" })),
            ("/v2/a/blobs/uploads/i", Some(Route::Upload { name: "a", id: "i" })),
            (
                "/v2/a/blobs/uploads/blobs/d",
                Some(Route::Blob { name: "a/blobs/uploads", digest: "d" }),
            ),
            ("/v2/a/manifests/r", Some(Route::Manifest { name: "a", reference: "r" })),
            (
                "/v2/a/tags/manifests/list",
                Some(Route::Manifest { name: "a/tags", reference: "list" }),
            ),
            ("/v2/a/manifests/", Some(Route::Manifest { name: "a", reference: "" })),
            ("/v2/a/referrers/d", Some(Route::Referrers { name: "a", digest: "d" })),
            ("/v2", None),
            ("/v1/a/tags/list", None),
            ("/v2/tags/list", None),
            ("/v2/blobs/d", None),
            ("/v2/a/tags/list/", None),
            ("/v2/a/other/d", None),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(Route::parse(path), expected, "{path}");
        }
    }
}
