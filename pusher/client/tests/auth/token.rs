//! Tokens: which are asked for, of whom, how often, and what becomes of one that ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wharf_client::{
    BlobSource, Credential, Denial, Error, Options, RegistryClient, Retry, Trust, Uploaded,
};
use wharf_oci::{Algorithm, Digest, RepositoryName, Scopes};

use crate::authority::Authority;
use crate::server::{Asked, Reply, Server, answer, client, password, with};

fn name() -> RepositoryName {
    "team/app".parse().unwrap()
}

fn digest() -> Digest {
    Digest::of(Algorithm::Sha256, b"blob")
}

/// The tokens that a server of tokens gave and a registry still takes.
#[derive(Clone, Default)]
struct Tokens {
    valid: Arc<Mutex<HashMap<String, Scopes>>>,
    count: Arc<AtomicUsize>,
}

impl Tokens {
    /// A server of tokens that knows `me` with `right`, and lets everyone look.
    fn grant(&self, asked: &Asked) -> Reply {
        let is_known = asked.is_by("me", "right");
        if asked.authorization().is_some() && !is_known {
            return answer(401, r#"{"details":"incorrect username or password"}"#);
        }
        let scopes: Scopes = asked.field("scope").join(" ").parse().unwrap();
        let allowed = match is_known {
            true => scopes,
            false => scopes
                .each()
                .map(|it| it.replace(",push", "") + " ")
                .collect::<String>()
                .parse()
                .unwrap(),
        };
        self.issue(allowed, 300)
    }

    fn issue(&self, allowed: Scopes, seconds: u64) -> Reply {
        let token = format!("opaque-{}", self.count.fetch_add(1, Ordering::Relaxed));
        self.valid.lock().unwrap().insert(token.clone(), allowed);
        answer(200, format!(r#"{{"access_token":"{token}","expires_in":{seconds}}}"#))
    }

    /// How many were given.
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// From now on the registry takes none of them.
    fn end_all(&self) {
        self.valid.lock().unwrap().clear();
    }

    fn allow(&self, asked: &Asked, needed: &str) -> bool {
        let bearer = asked.authorization().and_then(|it| it.strip_prefix("Bearer "));
        let valid = self.valid.lock().unwrap();
        let allowed = bearer.and_then(|token| valid.get(token));
        allowed.is_some_and(|allowed| allowed.cover(&needed.parse().unwrap()))
    }

    /// A registry that holds nothing, and sends who is asking to `realm`.
    fn registry(&self, realm: &str, asked: &Asked) -> Reply {
        let repository = asked.path.trim_start_matches("/v2/").split("/blobs").next().unwrap();
        let mut needed = match (repository, asked.method.as_str()) {
            ("", _) => String::new(),
            (_, "GET" | "HEAD") => format!("repository:{repository}:pull"),
            _ => format!("repository:{repository}:pull,push"),
        };
        let fields: HashMap<_, _> = form_urlencoded::parse(asked.query.as_bytes()).collect();
        if let Some(from) = fields.get("from") {
            needed += &format!(" repository:{from}:pull");
        }
        if !self.allow(asked, &needed) {
            let challenge = format!(r#"Bearer realm="{realm}",service="r",scope="{needed}""#);
            return with(401, "www-authenticate", challenge);
        }
        match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            "POST" if fields.contains_key("mount") => answer(201, ""),
            "POST" => with(202, "location", "/v2/team/app/blobs/uploads/odd?session=1"),
            "PUT" => answer(201, ""),
            _ => answer(200, "{}"),
        }
    }
}

/// A server of tokens, a registry that trusts it, and what they have in common.
async fn pair() -> (Server, Server, Tokens) {
    let tokens = Tokens::default();
    let granting = tokens.clone();
    let realm = Server::plain(move |asked| granting.grant(asked)).await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1") + "/token?kept=1");
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    (registry, realm, tokens)
}

fn pusher(server: &Server, credential: Option<Credential>) -> RegistryClient {
    let credentials = credential.map(|it| Arc::new(it) as _);
    let options = Options { credentials, pushes: true, ..Options::default() };
    RegistryClient::connect(server.at("127.0.0.1").parse().unwrap(), options).unwrap()
}

fn denial<T: std::fmt::Debug>(result: Result<T, Error>) -> Denial {
    let Err(Error::Unauthorized { reason, .. }) = result else { panic!("{result:?}") };
    *reason
}

#[tokio::test]
async fn a_push_asks_for_one_token_and_shows_the_password_to_the_realm_alone() {
    let (registry, realm, tokens) = pair().await;
    let client = pusher(&registry, password("me", "right"));
    let source = BlobSource::bytes("blob");
    let sent = client.upload_blob(&name(), &digest(), source).await.unwrap();
    assert_eq!((sent, tokens.count()), (Uploaded::Sent, 1));
    let asked = realm.asked().pop().unwrap();
    assert_eq!(asked.query, "kept=1&service=r&scope=repository%3Ateam%2Fapp%3Apull%2Cpush");
    for asked in registry.asked() {
        assert!(asked.authorization().is_none_or(|it| it.starts_with("Bearer ")));
    }
    // The first HEAD asked who is there; nothing after it was refused.
    assert_eq!(registry.lines().len(), 4);
}

#[tokio::test]
async fn many_requests_at_once_share_one_token() {
    let (registry, _realm, tokens) = pair().await;
    let client = pusher(&registry, password("me", "right"));
    let heads = (0..20).map(|number: u32| {
        let client = client.clone();
        let digest = Digest::of(Algorithm::Sha256, &number.to_le_bytes());
        tokio::spawn(async move { client.head_blob(&name(), &digest).await.unwrap() })
    });
    for head in heads.collect::<Vec<_>>() {
        assert_eq!(head.await.unwrap(), None);
    }
    assert_eq!(tokens.count(), 1);
}

#[tokio::test]
async fn who_only_looks_asks_for_no_more_and_needs_no_login() {
    let (registry, realm, _tokens) = pair().await;
    let client = registry.client(None);
    client.head_blob(&name(), &digest()).await.unwrap();
    assert_eq!(realm.asked()[0].field("scope"), ["repository:team/app:pull"]);
    assert_eq!(realm.asked()[0].authorization(), None);
    // Nobody may not push.
    let source = BlobSource::bytes("blob");
    let denied = denial(client.upload_blob(&name(), &digest(), source).await);
    assert!(matches!(denied, Denial::Nobody), "{denied}");
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let (registry, realm, _tokens) = pair().await;
    let client = pusher(&registry, password("me", "right"));
    let from = "base/debian".parse().unwrap();
    assert!(client.mount(&name(), &digest(), Some(&from)).await.unwrap());
    let expected = ["repository:base/debian:pull", "repository:team/app:pull,push"];
    assert_eq!(realm.asked()[0].field("scope"), expected);
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced_within_the_request() {
    let (registry, _realm, tokens) = pair().await;
    let client = pusher(&registry, password("me", "right"));
    client.head_blob(&name(), &digest()).await.unwrap();
    tokens.end_all();
    client.head_blob(&name(), &digest()).await.unwrap();
    assert_eq!(tokens.count(), 2);
}

#[tokio::test]
async fn a_token_is_not_used_beyond_its_end() {
    let tokens = Tokens::default();
    let granting = tokens.clone();
    // Over by the time it arrives.
    let realm = Server::plain(move |asked| {
        granting.issue(asked.field("scope").join(" ").parse().unwrap(), 0);
        let count = granting.count();
        let token = format!("opaque-{}", count - 1);
        answer(200, format!(r#"{{"token":"{token}","expires_in":0.000001}}"#))
    })
    .await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    let client = pusher(&registry, password("me", "right"));
    for _ in 0..3 {
        client.head_blob(&name(), &digest()).await.unwrap();
    }
    assert_eq!(tokens.count(), 3);
    // One question that was refused, and then each with a token of its own.
    assert_eq!(registry.asked().len(), 4);
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_again_is_worth_another_try() {
    let (registry, _realm, tokens) = pair().await;
    let client = pusher(&registry, password("me", "right"));
    let mut session = client.begin_upload(&name(), &digest()).await.unwrap();
    tokens.end_all();
    let source = || BlobSource::reader(&b"blob"[..], 4);
    let error = session.put(&digest(), source(), 0).await.unwrap_err();
    assert!(matches!(error, Error::TokenEnded { .. }), "{error:?}");
    assert!(Retry::default().wait(1, &error).is_some());
    // The next try has a new token from the start, for an address that tells no repository too.
    let refused = registry.asked().len();
    session.put(&digest(), source(), 0).await.unwrap();
    assert_eq!(registry.asked().len(), refused + 1);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_however_many_requests_wait() {
    let (registry, realm, _tokens) = pair().await;
    let client = pusher(&registry, password("me", "wrong-secret"));
    let heads = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.head_blob(&name(), &digest()).await })
    });
    for head in heads.collect::<Vec<_>>() {
        let denied = denial(head.await.unwrap());
        let Denial::Refused { user, by, words } = &denied else { panic!("{denied}") };
        assert_eq!(user.as_deref(), Some("me"));
        assert_eq!(by.as_deref(), Some(format!("{}/token", realm.at("127.0.0.1")).as_str()));
        assert_eq!(words.as_deref(), Some("incorrect username or password"));
        assert!(!format!("{denied:?}").contains("wrong-secret"));
    }
    assert_eq!(realm.asked().len(), 1);
}

#[tokio::test]
async fn a_login_that_may_not_push_is_told_apart_from_a_wrong_one() {
    let tokens = Tokens::default();
    let granting = tokens.clone();
    // Grants less than it is asked for.
    let pull = || "repository:team/app:pull".parse().unwrap();
    let realm = Server::plain(move |_| granting.issue(pull(), 300)).await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    let client = pusher(&registry, password("me", "right"));
    let denied = denial(client.begin_upload(&name(), &digest()).await);
    let Denial::NotAllowed { user, scopes } = &denied else { panic!("{denied}") };
    assert_eq!(user.as_deref(), Some("me"));
    assert_eq!(scopes, "repository:team/app:pull,push");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_a_form() {
    let tokens = Tokens::default();
    let granting = tokens.clone();
    let realm = Server::plain(move |asked| {
        let form: HashMap<_, _> = form_urlencoded::parse(&asked.body).into_owned().collect();
        assert_eq!((asked.method.as_str(), &*form["grant_type"]), ("POST", "refresh_token"));
        assert_eq!((&*form["refresh_token"], &*form["service"]), ("identity", "r"));
        granting.issue(form["scope"].parse().unwrap(), 300)
    })
    .await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    let client = pusher(&registry, Some(Credential::IdentityToken("identity".into())));
    client.begin_upload(&name(), &digest()).await.unwrap();
    assert_eq!(realm.asked()[0].authorization(), None);
}

#[tokio::test]
async fn a_registry_token_goes_as_it_is() {
    let (registry, realm, tokens) = pair().await;
    let all = "repository:team/app:*".parse().unwrap();
    tokens.valid.lock().unwrap().insert("given".into(), all);
    let client = registry.client(Some(Credential::RegistryToken("given".into())));
    client.begin_upload(&name(), &digest()).await.unwrap();
    assert!(realm.asked().is_empty());
}

#[tokio::test]
async fn a_realm_without_tls_elsewhere_hears_no_password() {
    let tokens = Tokens::default();
    let granting = tokens.clone();
    let realm = Server::plain(move |asked| granting.grant(asked)).await;
    for insecure in [false, true] {
        let (taking, address) = (tokens.clone(), realm.at("0.0.0.0"));
        let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
        let trust = Trust { insecure, ..Trust::default() };
        let client = client(&registry.at("127.0.0.1"), password("me", "right"), trust);
        let denied = denial(client.ping().await);
        assert!(matches!(denied, Denial::Exposed { .. }), "{denied}");
    }
    assert!(realm.asked().is_empty());
}

#[tokio::test]
async fn a_realm_with_tls_elsewhere_hears_it() {
    let (tokens, authority) = (Tokens::default(), Authority::new());
    let granting = tokens.clone();
    let realm = Server::tls(authority.server("0.0.0.0"), move |asked| granting.grant(asked)).await;
    let (taking, address) = (tokens.clone(), realm.at("0.0.0.0"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    let trust = Trust { ca: vec![authority.file()], ..Trust::default() };
    client(&registry.at("127.0.0.1"), password("me", "right"), trust).ping().await.unwrap();
    assert!(realm.asked()[0].is_by("me", "right"));
}

#[tokio::test]
async fn a_realm_that_sends_elsewhere_is_not_followed() {
    let (elsewhere, tokens) = (Server::plain(|_| answer(200, "{}")).await, Tokens::default());
    let there = elsewhere.at("127.0.0.1");
    let realm = Server::plain(move |_| with(307, "location", &there)).await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    registry.client(password("me", "right")).ping().await.unwrap_err();
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn rubbish_in_the_place_of_a_token_is_told() {
    for rubbish in ["<html>", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#] {
        let realm = Server::plain(move |_| answer(200, rubbish)).await;
        let (tokens, address) = (Tokens::default(), realm.at("127.0.0.1"));
        let registry = Server::plain(move |asked| tokens.registry(&address, asked)).await;
        let denied = denial(registry.client(None).ping().await);
        assert!(matches!(denied, Denial::NoToken { .. }), "{rubbish}: {denied}");
    }
}

#[tokio::test]
async fn a_server_of_tokens_that_is_down_is_worth_another_try() {
    let failures = AtomicUsize::new(1);
    let tokens = Tokens::default();
    let granting = tokens.clone();
    let realm = Server::plain(move |asked| match failures.fetch_add(1, Ordering::Relaxed) {
        1 => answer(503, ""),
        _ => granting.grant(asked),
    })
    .await;
    let (taking, address) = (tokens.clone(), realm.at("127.0.0.1"));
    let registry = Server::plain(move |asked| taking.registry(&address, asked)).await;
    let client = registry.client(password("me", "right"));
    let error = client.ping().await.unwrap_err();
    assert!(Retry::default().wait(1, &error).is_some(), "{error}");
    client.ping().await.unwrap();
}
