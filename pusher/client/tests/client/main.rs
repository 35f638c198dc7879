//! What the client promises when the registry, the network or the source misbehaves, and what it
//! sends when they do not. The registry is a script of a few lines in each test.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod ingest;
mod script;

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use script::{Script, answer, empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wharf_client::{BlobSource, Error, Limits, RegistryClient, Uploaded};
use wharf_oci::{Algorithm, Digest, Manifest, Reference, RepositoryName, media_type};

fn name() -> RepositoryName {
    "team/app".parse().unwrap()
}

fn tag() -> Reference {
    "1.0".parse().unwrap()
}

fn of(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn manifest() -> Manifest {
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[]}}"#,
        media_type::OCI_MANIFEST,
        media_type::EMPTY_JSON,
        of(b"{}"),
    );
    Manifest::from_stored(text.into()).unwrap()
}

#[tokio::test]
async fn a_blob_with_other_bytes_ends_in_an_error() {
    let script = Script::start(|_| answer(StatusCode::OK, "damaged")).await;
    let mut download = script.client().blob(&name(), &of(b"whole")).await.unwrap();
    assert_eq!(download.size(), Some(7));
    assert_eq!(download.chunk().await.unwrap(), Some(Bytes::from("damaged")));
    let error = download.chunk().await.unwrap_err();
    let Error::DigestMismatch { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((*expected, *found), (of(b"whole"), of(b"damaged")));
}

#[tokio::test]
async fn a_blob_with_the_right_bytes_is_given_whole() {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let script = Script::start(|_| answer(StatusCode::OK, "whole")).await;
        let digest = Digest::of(algorithm, b"whole");
        let download = script.client().blob(&name(), &digest).await.unwrap();
        assert_eq!(download.bytes(5).await.unwrap(), "whole");
        let download = script.client().blob(&name(), &digest).await.unwrap();
        assert!(matches!(download.bytes(4).await, Err(Error::TooLarge { limit: 4, .. })));
        assert_eq!(script.lines()[0], format!("GET /v2/team/app/blobs/{digest}"));
    }
}

#[tokio::test]
async fn a_manifest_must_have_the_digest_that_was_asked_for_or_given() {
    let script = Script::start(|_| {
        let mut response = answer(StatusCode::OK, manifest().bytes().clone());
        let headers = response.headers_mut();
        headers.insert("content-type", media_type::OCI_MANIFEST.parse().unwrap());
        headers.insert("docker-content-digest", of(b"another").to_string().parse().unwrap());
        response
    })
    .await;
    let digest = of(manifest().bytes());
    // By digest, the header does not matter: the bytes are what was asked for.
    let pulled = script.client().manifest(&name(), &Reference::Digest(digest)).await.unwrap();
    assert_eq!((pulled.digest, pulled.manifest.bytes()), (digest, manifest().bytes()));
    let error = script.client().manifest(&name(), &tag()).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let other = Reference::Digest(of(b"other"));
    let error = script.client().manifest(&name(), &other).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_none_or_not_found() {
    let script = Script::start(|request| match *request.method() {
        Method::HEAD => empty(StatusCode::NOT_FOUND),
        _ => answer(
            StatusCode::NOT_FOUND,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}"#,
        ),
    })
    .await;
    let client = script.client();
    assert_eq!(client.head_manifest(&name(), &tag()).await.unwrap(), None);
    assert_eq!(client.head_blob(&name(), &of(b"x")).await.unwrap(), None);
    let error = client.manifest(&name(), &tag()).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        format!(
            "the registry at {} answered GET /v2/team/app/manifests/1.0 with 404 Not Found \
             MANIFEST_UNKNOWN: no such tag",
            client.address()
        )
    );
}

#[tokio::test]
async fn an_answer_that_is_no_error_body_shows_its_first_line() {
    let script =
        Script::start(|_| answer(StatusCode::BAD_GATEWAY, "\n upstream gone\u{7} \nx")).await;
    let error = script.client().ping().await.unwrap_err();
    let Error::Refused { status, code, message, .. } = error else { panic!("{error}") };
    assert_eq!((status, code), (StatusCode::BAD_GATEWAY, None));
    assert_eq!(message.as_deref(), Some("upstream gone"));
}

#[tokio::test]
async fn what_a_registry_says_is_one_line_without_commands_to_a_terminal() {
    let said = r#"{"errors":[{"code":"\u001b[31mX","message":"\u001b]0;t\u0007 a\nb LONG"}]}"#;
    let said = said.replace("LONG", &"c".repeat(50_000));
    let script = Script::start(move |_| answer(StatusCode::BAD_REQUEST, said.clone())).await;
    let error = script.client().ping().await.unwrap_err();
    let Error::Refused { code, message, .. } = &error else { panic!("{error}") };
    assert_eq!(code.as_deref(), Some("[31mX"));
    assert!(message.as_ref().is_some_and(|it| it.starts_with("]0;t ab c")), "{message:?}");
    let text = error.to_string();
    assert!(text.len() < 2000 && !text.contains(char::is_control), "{text}");
}

#[tokio::test]
async fn lists_follow_their_links_up_to_the_limit() {
    let script = Script::start(|request| {
        let (page, link) = match request.uri().query() {
            Some("n=1000") | Some("n=3") => (r#"{"tags":["a","b"]}"#, Some("last=b")),
            Some("last=b") => (r#"{"tags":["c","d"]}"#, Some("last=d")),
            Some("last=d") => (r#"{"tags":["e"]}"#, None),
            other => panic!("{other:?}"),
        };
        let mut response = answer(StatusCode::OK, page);
        if let Some(query) = link {
            let link = format!("</v2/team/app/tags/list?{query}>; rel=\"next\"");
            response.headers_mut().insert("link", link.parse().unwrap());
        }
        response
    })
    .await;
    let all = script.client().tags(&name(), 5000).await.unwrap();
    let texts: Vec<_> = all.items.iter().map(|tag| tag.as_str()).collect();
    assert_eq!((texts, all.more), (vec!["a", "b", "c", "d", "e"], false));
    let some = script.client().tags(&name(), 3).await.unwrap();
    assert_eq!((some.items.len(), some.more), (3, true));
}

#[tokio::test]
async fn an_empty_list_may_be_null_and_a_circle_of_links_ends() {
    let script = Script::start(|_| {
        let mut response = answer(StatusCode::OK, r#"{"repositories":null}"#);
        response.headers_mut().insert("link", "</v2/_catalog>; rel=\"next\"".parse().unwrap());
        response
    })
    .await;
    let listing = script.client().catalog(10).await.unwrap();
    assert_eq!((listing.items.len(), listing.more), (0, false));
    let script =
        Script::start(|_| answer(StatusCode::OK, r#"{"repositories":["NOT VALID"]}"#)).await;
    let error = script.client().catalog(10).await.unwrap_err();
    assert!(matches!(error, Error::ListMalformed { .. }), "{error}");
}

/// Answers like a registry that holds nothing; keeps what the PUT brought.
async fn empty_registry(location: &'static str) -> Script {
    Script::start(move |request| match *request.method() {
        Method::HEAD => empty(StatusCode::NOT_FOUND),
        Method::POST => {
            let mut response = empty(StatusCode::ACCEPTED);
            response.headers_mut().insert("location", location.parse().unwrap());
            response
        }
        Method::PUT => empty(StatusCode::CREATED),
        _ => empty(StatusCode::NO_CONTENT),
    })
    .await
}

#[tokio::test]
async fn a_blob_goes_up_in_one_put_with_its_length() {
    let content = Bytes::from(vec![7; 3_000_000]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    std::fs::write(&path, &content).unwrap();
    let sources = [
        BlobSource::bytes(content.clone()),
        BlobSource::file(&path).unwrap(),
        // What a reader gives beyond its size is not sent.
        BlobSource::reader(io::repeat(7), content.len() as u64),
    ];
    for source in sources {
        let script = empty_registry("/v2/team/app/blobs/uploads/x?_state=y").await;
        let sent = script.client().upload_blob(&name(), &of(&content), source).await.unwrap();
        assert_eq!(sent, Uploaded::Sent);
        let digest = of(&content);
        let put = script.requests().pop().unwrap();
        let target = format!("/v2/team/app/blobs/uploads/x?_state=y&digest={digest}");
        assert_eq!(put.target, target);
        assert_eq!(put.headers["content-length"], "3000000");
        assert_eq!(of(&put.body), digest);
        let methods: Vec<_> = script.requests().iter().map(|it| it.method.clone()).collect();
        assert_eq!(methods, [Method::HEAD, Method::POST, Method::PUT]);
    }
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_sent() {
    let script = Script::start(|_| {
        let mut response = empty(StatusCode::OK);
        response.headers_mut().insert("content-length", "5".parse().unwrap());
        response
    })
    .await;
    let source = BlobSource::bytes("whole");
    let sent = script.client().upload_blob(&name(), &of(b"whole"), source).await.unwrap();
    assert_eq!(sent, Uploaded::Present);
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_source_that_ends_early_fails_as_a_source() {
    let script = empty_registry("/v2/team/app/blobs/uploads/x").await;
    let source = BlobSource::reader(io::repeat(0).take(10), 11);
    let error = script.client().upload_blob(&name(), &of(b"x"), source).await.unwrap_err();
    let Error::Source { source } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_session_that_no_http_leads_to_is_not_followed() {
    let script = empty_registry("ftp://elsewhere/v2/").await;
    let source = BlobSource::bytes("x");
    let error = script.client().upload_blob(&name(), &of(b"x"), source).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
}

#[tokio::test]
async fn a_mount_without_a_source_leaves_no_session() {
    let script = empty_registry("/v2/team/app/blobs/uploads/x").await;
    let from = "other".parse().unwrap();
    let digest = of(b"x");
    assert!(!script.client().mount(&name(), &digest, Some(&from)).await.unwrap());
    let lines = script.lines();
    assert_eq!(lines[1], "DELETE /v2/team/app/blobs/uploads/x");
    let query = script.requests()[0].target.split_once('?').unwrap().1.to_owned();
    assert!(query.contains("from=other") && query.contains("mount=sha256"), "{query}");

    let script = Script::start(|_| empty(StatusCode::CREATED)).await;
    assert!(script.client().mount(&name(), &digest, None).await.unwrap());
}

#[tokio::test]
async fn a_manifest_is_put_with_its_type_and_its_answer_is_checked() {
    let script = Script::start(|_| empty(StatusCode::CREATED)).await;
    let digest = script.client().put_manifest(&name(), &tag(), &manifest()).await.unwrap();
    assert_eq!(digest, of(manifest().bytes()));
    let put = script.requests().pop().unwrap();
    assert_eq!(put.headers["content-type"], media_type::OCI_MANIFEST);
    assert_eq!(&put.body, manifest().bytes());

    let script = Script::start(|_| {
        let mut response = empty(StatusCode::CREATED);
        let digest = of(b"rewritten").to_string().parse().unwrap();
        response.headers_mut().insert("docker-content-digest", digest);
        response
    })
    .await;
    let error = script.client().put_manifest(&name(), &tag(), &manifest()).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = RegistryClient::new(address.into()).ping().await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let Error::Unreachable { source, .. } = error else { panic!("{error}") };
    let source = source.downcast::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_registry_that_takes_a_request_and_says_nothing_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silence_max = Duration::from_millis(50);
    let limits = Limits { silence_max, ..Limits::default() };
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Until the client hangs up.
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let client = RegistryClient::with_limits(address.into(), limits);
    let error = client.ping().await.unwrap_err();
    let Error::Silent { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.0, silence_max);
    silent.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_drips_for_ever_is_left() {
    for beginning in ["", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer_max = Duration::from_millis(100);
        let limits = Limits { answer_max, ..Limits::default() };
        let dripping = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(beginning.as_bytes()).await.unwrap();
            // Interim answers before the head, a byte of the body after it; until the client hangs up.
            let drop: &[u8] =
                if beginning.is_empty() { b"HTTP/1.1 100 Continue\r\n\r\n" } else { b"x" };
            let mut pace = tokio::time::interval(Duration::from_millis(5));
            while stream.write_all(drop).await.is_ok() {
                pace.tick().await;
            }
        });
        let client = RegistryClient::with_limits(address.into(), limits);
        let error = client.manifest(&name(), &"v1".parse().unwrap()).await.unwrap_err();
        let Error::Slow { limit, .. } = error else { panic!("{error}") };
        assert_eq!(limit, answer_max);
        drop(client);
        dripping.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = RegistryClient::new(listener.local_addr().unwrap().into());
    let breaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await.unwrap();
    });
    let download = client.blob(&name(), &of(b"half")).await.unwrap();
    let error = download.bytes(100).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    breaking.await.unwrap();
}

#[tokio::test]
async fn connections_are_used_again() {
    let script = Script::start(|_| answer(StatusCode::OK, "{}")).await;
    let client = script.client();
    for _ in 0..10 {
        assert_eq!(client.head_blob(&name(), &of(b"{}")).await.unwrap(), Some(2));
    }
    assert_eq!((script.requests().len(), script.connections()), (10, 1));
}
