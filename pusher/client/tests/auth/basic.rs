//! User and password with every request.

use wharf_client::{Denial, Error, Trust};

use crate::server::{Asked, Reply, Server, answer, client, password, with};

/// A registry that lets `me` in with `right`.
fn registry(asked: &Asked) -> Reply {
    match asked.is_by("me", "right") {
        true => answer(200, "{}"),
        false => with(401, "www-authenticate", r#"Basic realm="x""#),
    }
}

fn denial(result: Result<(), Error>) -> Denial {
    let Err(Error::Unauthorized { reason, .. }) = result else { panic!("{result:?}") };
    *reason
}

#[tokio::test]
async fn they_go_out_once_the_registry_has_asked() {
    let server = Server::plain(registry).await;
    let client = server.client(password("me", "right"));
    client.ping().await.unwrap();
    client.ping().await.unwrap();
    let sent: Vec<_> = server.asked().iter().map(|it| it.authorization().is_some()).collect();
    assert_eq!(sent, [false, true, true]);
}

#[tokio::test]
async fn wrong_ones_are_sent_once_for_a_request() {
    let server = Server::plain(registry).await;
    let denied = denial(server.client(password("me", "wrong-secret")).ping().await);
    assert!(matches!(&denied, Denial::Refused { user: Some(user), .. } if user == "me"));
    assert!(!format!("{denied:?} {denied}").contains("wrong-secret"));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_registry_that_repeats_them_is_not_quoted() {
    let header = "bWU6d3Jvbmctc2VjcmV0"; // me:wrong-secret
    for said in ["no wrong-secret here", &format!("Basic {header} is bad")] {
        let said = serde_json::json!({ "errors": [{ "code": "DENIED", "message": said }] });
        let body = said.to_string();
        let server = Server::plain(move |asked| match asked.authorization() {
            Some(_) => answer(400, body.clone()),
            None => registry(asked),
        })
        .await;
        let error = server.client(password("me", "wrong-secret")).ping().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("DENIED"), "{text}");
        assert!(!text.contains("wrong-secret") && !text.contains(header), "{text}");
    }
}

#[tokio::test]
async fn without_any_the_request_fails_as_such() {
    let server = Server::plain(registry).await;
    assert!(matches!(denial(server.client(None).ping().await), Denial::Nobody));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn they_are_kept_back_from_another_machine_without_tls() {
    let server = Server::plain(registry).await;
    let there = server.at("0.0.0.0");
    let denied = denial(client(&there, password("me", "right"), Trust::default()).ping().await);
    assert!(matches!(denied, Denial::Exposed { .. }), "{denied}");
    assert!(server.asked().iter().all(|it| it.authorization().is_none()));
    // Unless the user wants it so.
    let insecure = Trust { insecure: true, ..Trust::default() };
    client(&there, password("me", "right"), insecure).ping().await.unwrap();
}

#[tokio::test]
async fn a_401_without_a_challenge_is_what_the_registry_said() {
    let server = Server::plain(|_| answer(401, "go away")).await;
    let error = server.client(password("me", "right")).ping().await.unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("go away"), "{error}");
    assert_eq!(server.asked().len(), 1);
}
