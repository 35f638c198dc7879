//! Whom the client believes to be its registry.

use std::fs;

use rcgen::date_time_ymd;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use wharf_client::{Error, Limits, Options, RegistryClient, Trust};

use crate::authority::{Authority, self_signed};
use crate::server::{Server, answer, client};

fn trusting(authority: &Authority) -> Trust {
    Trust { ca: vec![authority.file()], ..Trust::default() }
}

async fn asked_with(server: &Server, host: &str, trust: Trust) -> Result<(), Error> {
    client(&server.at(host), None, trust).ping().await
}

#[tokio::test]
async fn an_authority_that_was_named_is_trusted_and_no_other() {
    let (own, other) = (Authority::new(), Authority::new());
    let server = Server::tls(own.server("localhost"), |_| answer(200, "{}")).await;
    asked_with(&server, "localhost", trusting(&own)).await.unwrap();
    for trust in [trusting(&other), Trust::default()] {
        let error = asked_with(&server, "localhost", trust).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    }
    assert_eq!(server.asked().len(), 1, "nothing is sent to a registry that is not trusted");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("elsewhere"), |_| answer(200, "{}")).await;
    let error = asked_with(&server, "localhost", trusting(&authority)).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_when_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = self_signed("localhost", folder.path(), |_| {});
    let server = Server::tls(config, |_| answer(200, "{}")).await;
    let trust = Trust { ca: vec![file], ..Trust::default() };
    asked_with(&server, "localhost", trust.clone()).await.unwrap();
    // It still has to be for the registry that is asked.
    let error = asked_with(&server, "127.0.0.1", trust).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    let other = self_signed("localhost", folder.path(), |_| {}).1;
    let trust = Trust { ca: vec![other], ..Trust::default() };
    let error = asked_with(&server, "localhost", trust).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_not_trusted_even_when_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let old = |params: &mut rcgen::CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let (config, file) = self_signed("localhost", folder.path(), old);
    let server = Server::tls(config, |_| answer(200, "{}")).await;
    let trust = Trust { ca: vec![file], ..Trust::default() };
    let error = asked_with(&server, "localhost", trust).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn certs_d_holds_the_certificates_of_each_registry() {
    let authority = Authority::new();
    let server = Server::tls(authority.strict_server("localhost"), |_| answer(200, "{}")).await;
    let (empty, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = format!("localhost:{}", server.port());
    let own = folder.path().join(&host);
    fs::create_dir(&own).unwrap();
    fs::copy(authority.file(), own.join("ca.crt")).unwrap();
    let certs_d = vec![empty.path().into(), folder.path().into()];
    let trust = Trust { certs_d, ..Trust::default() };

    // The registry wants to see a certificate, and there is none yet.
    client(&host, None, trust.clone()).ping().await.unwrap_err();
    authority.write_client(&own);
    // Without a scheme: a registry with certificates speaks TLS, wherever it is.
    client(&host, None, trust.clone()).ping().await.unwrap();
    // Another port is another registry.
    let other = format!("https://127.0.0.1:{}", server.port());
    let error = client(&other, None, trust).ping().await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, absent) = (folder.path().join("empty"), folder.path().join("absent"));
    fs::write(&empty, "no certificate").unwrap();
    for file in [empty, absent] {
        let trust = Trust { ca: vec![file.clone()], ..Trust::default() };
        let options = Options { trust, ..Options::default() };
        let made = RegistryClient::connect("localhost".parse().unwrap(), options);
        let Err(Error::Certificate { path, .. }) = made else { panic!("{made:?}") };
        assert_eq!(path, file);
    }
}

#[tokio::test]
async fn a_registry_without_tls_is_told_as_one() {
    let server = Server::plain(|_| answer(200, "{}")).await;
    let address = format!("https://127.0.0.1:{}", server.port());
    let error = client(&address, None, Trust::default()).ping().await.unwrap_err();
    // A machine without authorities of its own trusts nobody, and does not get that far.
    assert!(matches!(error, Error::NoTls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_registry_that_never_finishes_its_greeting_is_left() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let limits = Limits { connect_max: std::time::Duration::from_millis(500), ..Limits::default() };
    let options = Options { limits, trust: trusting(&authority), ..Options::default() };
    let client = RegistryClient::connect(address.parse().unwrap(), options).unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    silent.abort();
}
