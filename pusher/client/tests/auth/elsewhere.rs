//! What a registry can have done with a client by sending it elsewhere: no other host is shown a
//! credential.

use wharf_client::{BlobSource, Error, Trust};
use wharf_oci::{Algorithm, Digest, RepositoryName};

use crate::authority::Authority;
use crate::server::{Asked, Reply, Server, answer, client, password, with};

fn name() -> RepositoryName {
    "team/app".parse().unwrap()
}

fn digest() -> Digest {
    Digest::of(Algorithm::Sha256, b"blob")
}

/// Lets `me` in; what comes then is up to `reply`.
fn guarded(asked: &Asked, reply: impl FnOnce() -> Reply) -> Reply {
    match asked.is_by("me", "right") {
        true => reply(),
        false => with(401, "www-authenticate", "Basic realm=x"),
    }
}

#[tokio::test]
async fn a_blob_is_fetched_elsewhere_without_credentials() {
    for status in [301, 302, 303, 307, 308] {
        let store = Server::plain(|_| answer(200, "blob")).await;
        let there = store.at("127.0.0.1") + "/bucket?signature=x";
        let registry =
            Server::plain(move |asked| guarded(asked, || with(status, "location", &there))).await;
        let client = registry.client(password("me", "right"));
        let download = client.blob(&name(), &digest()).await.unwrap();
        assert_eq!(download.bytes(4).await.unwrap(), "blob");
        let asked = store.asked().pop().unwrap();
        assert_eq!((asked.path.as_str(), asked.query.as_str()), ("/bucket", "signature=x"));
        assert_eq!(asked.authorization(), None);
    }
}

#[tokio::test]
async fn a_host_that_asks_for_a_login_after_a_redirect_gets_none() {
    let thief = Server::plain(|_| with(401, "www-authenticate", "Basic realm=x")).await;
    let there = thief.at("127.0.0.1");
    let registry =
        Server::plain(move |asked| guarded(asked, || with(307, "location", &there))).await;
    let client = registry.client(password("me", "right"));
    let error = client.blob(&name(), &digest()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(thief.asked().len(), 1);
    assert_eq!(thief.asked()[0].authorization(), None);
}

#[tokio::test]
async fn a_path_is_one_of_the_host_that_gave_it() {
    let registry = Server::plain(|asked| {
        guarded(asked, || match asked.path.as_str() {
            "/elsewhere" => answer(200, "blob"),
            _ => with(307, "location", "/elsewhere"),
        })
    })
    .await;
    let client = registry.client(password("me", "right"));
    let download = client.blob(&name(), &digest()).await.unwrap();
    assert_eq!(download.bytes(4).await.unwrap(), "blob");
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let registry = Server::plain(|asked| with(307, "location", &asked.path)).await;
    let error = registry.client(None).blob(&name(), &digest()).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
}

#[tokio::test]
async fn an_upload_goes_elsewhere_without_credentials() {
    let store = Server::plain(|_| answer(201, "")).await;
    let there = store.at("localhost") + "/upload?signature=x";
    let registry = Server::plain(move |asked| {
        guarded(asked, || match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            _ => with(202, "location", &there),
        })
    })
    .await;
    let client = registry.client(password("me", "right"));
    client.upload_blob(&name(), &digest(), BlobSource::bytes("blob")).await.unwrap();
    let asked = store.asked().pop().unwrap();
    assert_eq!(asked.authorization(), None);
    assert_eq!((&asked.body[..], asked.field("signature")), (&b"blob"[..], vec!["x".to_owned()]));
}

#[tokio::test]
async fn a_registry_with_tls_is_not_left_for_a_host_without() {
    let authority = Authority::new();
    let thief = Server::plain(|_| answer(201, "")).await;
    let there = thief.at("127.0.0.1");
    let registry = Server::tls(authority.server("localhost"), move |asked| {
        guarded(asked, || match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            "GET" => with(307, "location", &there),
            _ => with(202, "location", &there),
        })
    })
    .await;
    let trust = Trust { ca: vec![authority.file()], ..Trust::default() };
    let client = client(&registry.at("localhost"), password("me", "right"), trust);
    client.blob(&name(), &digest()).await.unwrap_err();
    let source = BlobSource::bytes("blob");
    client.upload_blob(&name(), &digest(), source).await.unwrap_err();
    assert!(thief.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_does_not_know_of_its_own_tls_is_asked_by_tls() {
    let authority = Authority::new();
    let registry = Server::tls(authority.server("localhost"), |asked| {
        guarded(asked, || match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            "POST" => {
                let host = asked.headers["host"].to_str().unwrap();
                with(202, "location", format!("http://{host}/v2/session"))
            }
            _ => answer(201, ""),
        })
    })
    .await;
    let trust = Trust { ca: vec![authority.file()], ..Trust::default() };
    let client = client(&registry.at("localhost"), password("me", "right"), trust);
    client.upload_blob(&name(), &digest(), BlobSource::bytes("blob")).await.unwrap();
    assert_eq!(registry.lines().pop().unwrap(), "PUT /v2/session");
}
