//! What changes when the user says that a registry need not prove who it is.

use tokio::net::TcpListener;
use wharf_client::{Error, Trust};

use crate::authority::Authority;
use crate::server::{Server, answer, client};

fn insecure() -> Trust {
    Trust { insecure: true, ..Trust::default() }
}

#[tokio::test]
async fn any_certificate_will_do() {
    let server = Server::tls(Authority::new().server("elsewhere"), |_| answer(200, "{}")).await;
    for host in ["127.0.0.1", "https://127.0.0.1"] {
        client(&format!("{host}:{}", server.port()), None, insecure()).ping().await.unwrap();
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn plain_http_is_the_second_try() {
    let server = Server::plain(|_| answer(200, "{}")).await;
    for host in ["127.0.0.1", "0.0.0.0", "http://0.0.0.0"] {
        client(&format!("{host}:{}", server.port()), None, insecure()).ping().await.unwrap();
    }
    // Unless TLS was asked for.
    let address = format!("https://127.0.0.1:{}", server.port());
    let error = client(&address, None, insecure()).ping().await.unwrap_err();
    assert!(matches!(error, Error::NoTls { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn without_it_another_machine_is_not_asked_by_plain_http() {
    let server = Server::plain(|_| answer(200, "{}")).await;
    let address = format!("0.0.0.0:{}", server.port());
    client(&address, None, Trust::default()).ping().await.unwrap_err();
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn nobody_there_is_nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = client(&address, None, insecure()).ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}
