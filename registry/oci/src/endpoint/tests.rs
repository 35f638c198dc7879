//! What end-points are read from, and that each survives being written and read again.

use super::*;
use proptest::prelude::*;

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const ID: &str = "0123abcd-0123-4bcd-8ef0-0123456789ab";

fn parse(method: Method, uri: &str) -> Result<Endpoint, EndpointError> {
    Endpoint::parse(&method, &uri.parse().unwrap())
}

fn name() -> RepositoryName {
    "a/b".parse().unwrap()
}

#[test]
fn escapes_and_unknown_parameters_are_understood() {
    let digest: Digest = DIGEST.parse().unwrap();
    let id = ID.parse().unwrap();
    let escaped = DIGEST.replace(':', "%3A");
    let from = Some("c/d".parse().unwrap());
    let start =
        |mount, digest| Ok(Endpoint::StartUpload { name: name(), mount, digest, algorithm: None });
    let blob = Ok(Endpoint::GetBlob { name: name(), digest });
    let finish = Ok(Endpoint::FinishUpload { name: name(), id, digest });
    let table = [
        (Method::GET, format!("/v2/a/b/blobs/{escaped}"), blob.clone()),
        (Method::GET, format!("/v2/a%2Fb/blobs/{DIGEST}?ns=docker.io"), blob),
        (Method::POST, "/v2/a/b/blobs/uploads".to_owned(), start(None, None)),
        (Method::POST, "/v2/a/b/blobs/uploads/?origin=x&ns=".to_owned(), start(None, None)),
        (
            Method::POST,
            format!("/v2/a/b/blobs/uploads/?mount={escaped}&from=c%2Fd"),
            start(Some(Mount { digest, from }), None),
        ),
        (
            Method::POST,
            format!("/v2/a/b/blobs/uploads/?mount={DIGEST}"),
            start(Some(Mount { digest, from: None }), None),
        ),
        (
            Method::POST,
            format!("/v2/a/b/blobs/uploads/?mount={DIGEST}&from=NOT+A+NAME"),
            start(None, None),
        ),
        (
            Method::POST,
            format!("/v2/a/b/blobs/uploads/?digest={DIGEST}"),
            start(None, Some(digest)),
        ),
        (Method::PUT, format!("/v2/a/b/blobs/uploads/{ID}?_state=x&digest={escaped}"), finish),
        (
            Method::HEAD,
            "/v2/a/b/tags/list?n=5&last=v%2B1+x".to_owned(),
            Ok(Endpoint::ListTags {
                name: name(),
                page: Page { n: Some(5), last: Some("v+1 x".to_owned()) },
            }),
        ),
        (Method::HEAD, "/v2/".to_owned(), Ok(Endpoint::Version)),
    ];
    for (method, uri, expected) in table {
        assert_eq!(parse(method, &uri), expected, "{uri}");
    }
}

#[test]
fn each_mistake_has_its_error() {
    use EndpointError as E;
    type Check = fn(&EndpointError) -> bool;
    let table: [(Method, String, Check); 17] = [
        (Method::GET, "/v3/".into(), |e| *e == E::NotFound),
        (Method::GET, "/v2/a/b".into(), |e| *e == E::NotFound),
        (Method::PUT, "/v2/".into(), |e| *e == E::Method { allowed: "GET, HEAD" }),
        (Method::GET, "/v2/a/blobs/uploads/".into(), |e| *e == E::Method { allowed: "POST" }),
        (Method::PATCH, format!("/v2/a/blobs/{DIGEST}"), |e| matches!(e, E::Method { .. })),
        (Method::GET, "/v2/UPPER/manifests/latest".into(), |e| matches!(e, E::Name(_))),
        (Method::GET, "/v2/a/%2e%2e/b/manifests/latest".into(), |e| matches!(e, E::Name(_))),
        (Method::GET, "/v2/a%FF/manifests/latest".into(), |e| matches!(e, E::Name(_))),
        (Method::GET, "/v2/a/manifests/.hidden".into(), |e| matches!(e, E::Tag(_))),
        (Method::PUT, format!("/v2/a/manifests/{DIGEST}?tag=-x"), |e| matches!(e, E::Tag(_))),
        (Method::GET, "/v2/a/blobs/sha256:bad".into(), |e| matches!(e, E::Digest(_))),
        (Method::GET, "/v2/a/blobs/uploads/x".into(), |e| matches!(e, E::UploadId(_))),
        (Method::GET, "/v2/a/tags/list?n=-1".into(), |e| matches!(e, E::Page(_))),
        (Method::GET, "/v2/a/tags/list?n=".into(), |e| matches!(e, E::Page(_))),
        (Method::POST, "/v2/a/blobs/uploads/?digest=".into(), |e| matches!(e, E::Digest(_))),
        (Method::POST, "/v2/a/blobs/uploads/?mount=x".into(), |e| matches!(e, E::Digest(_))),
        (Method::PUT, format!("/v2/a/blobs/uploads/{ID}"), |e| *e == E::DigestMissing),
    ];
    for (method, uri, check) in table {
        let error = parse(method, &uri).unwrap_err();
        assert!(check(&error), "{uri}: {error:?}");
    }
}

fn names() -> impl Strategy<Value = RepositoryName> {
    "(tags|list|blobs|uploads|manifests|referrers|[a-z0-9]{1,5}([._-][a-z0-9]{1,2})?)(/(tags|list|blobs|uploads|manifests|[a-z0-9]{1,3})){0,4}"
        .prop_map(|text| text.parse().unwrap())
}

fn digests() -> impl Strategy<Value = Digest> {
    (any::<bool>(), any::<u64>()).prop_map(|(wide, seed)| {
        let algorithm = if wide { Algorithm::Sha512 } else { Algorithm::Sha256 };
        Digest::of(algorithm, &seed.to_le_bytes())
    })
}

fn tags() -> impl Strategy<Value = Tag> {
    "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}".prop_map(|text| text.parse().unwrap())
}

fn references() -> impl Strategy<Value = Reference> {
    prop_oneof![tags().prop_map(Reference::Tag), digests().prop_map(Reference::Digest)]
}

fn ids() -> impl Strategy<Value = UploadId> {
    any::<[u8; 16]>().prop_map(UploadId::from_random)
}

fn pages() -> impl Strategy<Value = Page> {
    let last = proptest::option::of("[^\u{0}]{1,8}");
    (any::<Option<usize>>(), last).prop_map(|(n, last)| Page { n, last })
}

fn starts() -> impl Strategy<Value = Endpoint> {
    let mounts = (digests(), proptest::option::of(names()))
        .prop_map(|(digest, from)| Mount { digest, from });
    let algorithms = prop_oneof![Just(Algorithm::Sha256), Just(Algorithm::Sha512)];
    let options = (
        proptest::option::of(mounts),
        proptest::option::of(digests()),
        proptest::option::of(algorithms),
    );
    (names(), options).prop_map(|(name, (mount, digest, algorithm))| Endpoint::StartUpload {
        name,
        mount,
        digest,
        algorithm,
    })
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    use Endpoint as E;
    let blobs = (names(), digests()).boxed();
    let uploads = (names(), ids()).boxed();
    let manifests = (names(), references()).boxed();
    prop_oneof![
        Just(E::Version),
        pages().prop_map(|page| E::ListRepositories { page }),
        (names(), pages()).prop_map(|(name, page)| E::ListTags { name, page }),
        (names(), digests(), proptest::option::of("[^\u{0}]{1,9}")).prop_map(
            |(name, digest, artifact_type)| E::ListReferrers { name, digest, artifact_type }
        ),
        blobs.clone().prop_map(|(name, digest)| E::GetBlob { name, digest }),
        blobs.clone().prop_map(|(name, digest)| E::HeadBlob { name, digest }),
        blobs.prop_map(|(name, digest)| E::DeleteBlob { name, digest }),
        starts(),
        uploads.clone().prop_map(|(name, id)| E::UploadStatus { name, id }),
        uploads.clone().prop_map(|(name, id)| E::AppendUpload { name, id }),
        uploads.clone().prop_map(|(name, id)| E::CancelUpload { name, id }),
        (uploads, digests()).prop_map(|((name, id), digest)| E::FinishUpload { name, id, digest }),
        manifests.clone().prop_map(|(name, reference)| E::GetManifest { name, reference }),
        manifests.clone().prop_map(|(name, reference)| E::HeadManifest { name, reference }),
        manifests.clone().prop_map(|(name, reference)| E::DeleteManifest { name, reference }),
        (manifests, proptest::collection::vec(tags(), 0..4))
            .prop_map(|((name, reference), tags)| E::PutManifest { name, reference, tags }),
    ]
}

proptest! {
    #[test]
    fn every_end_point_survives_its_uri(endpoint in endpoints()) {
        let uri = endpoint.to_uri().parse().unwrap();
        prop_assert_eq!(Endpoint::parse(&endpoint.method(), &uri), Ok(endpoint));
    }

    #[test]
    fn no_path_makes_it_panic(path in "/(v2/)?[a-z%./:0-9-]{0,40}(\\?[a-z=&%+]{0,20})?") {
        if let Ok(uri) = path.parse::<Uri>() {
            for method in [Method::GET, Method::PUT, Method::POST, Method::OPTIONS] {
                let _ = Endpoint::parse(&method, &uri);
            }
        }
    }
}
