//! A server of tokens, as the registries have theirs. Its tokens are opaque: nothing can be read out
//! of them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wharf_oci::{RepositoryName, Scopes};

use crate::ledger::{Host, Ledger};
use crate::serve::{Answer, Server, answer, empty};

pub(crate) const USER: &str = "wharf-user";
pub(crate) const PASSWORD: &str = "wharf-password-1a2b3c";
pub(crate) const IDENTITY_TOKEN: &str = "wharf-identity-4d5e6f";
pub(crate) const SERVICE: &str = "registry.example";

/// How a login is proved to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// `GET` with user and password.
    Password,
    /// `POST` of a form with a token that an earlier login gave (OAuth 2, `refresh_token`).
    IdentityToken,
}

/// How it deals with logins.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    pub(crate) proof: Proof,
    /// What it says of a token's life, in seconds.
    pub(crate) expires_in: Option<u32>,
    /// Things that are left out of tokens, whoever asks: `repository:missing`.
    pub(crate) denied: Vec<&'static str>,
}

impl Default for Manners {
    fn default() -> Self {
        Self { proof: Proof::Password, expires_in: Some(300), denied: Vec::new() }
    }
}

#[derive(Debug)]
pub(crate) struct Authority {
    server: Server,
    granted: Granted,
}

type Granted = Arc<Mutex<HashMap<String, Scopes>>>;

impl Authority {
    pub(crate) async fn start(manners: Manners, ledger: Ledger) -> Self {
        let granted = Granted::default();
        let (manners, tokens) = (Arc::new(manners), Arc::clone(&granted));
        let server = Server::start(move |request| {
            reply(request, Arc::clone(&manners), Arc::clone(&tokens), ledger.clone())
        })
        .await;
        Self { server, granted }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The tokens that were given, to look for where they do not belong.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.granted.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn granted(&self) -> Grants {
        Grants(Arc::clone(&self.granted))
    }
}

/// What a registry knows of its authority's tokens.
#[derive(Debug, Clone)]
pub(crate) struct Grants(Granted);

impl Grants {
    /// Whether a token allows an action on a repository.
    pub(crate) fn allow(&self, token: &str, name: &RepositoryName, action: &str) -> bool {
        let granted = self.0.lock().unwrap();
        let needed = Scopes::of_repository(name, [action]);
        granted.get(token).is_some_and(|scopes| scopes.cover(&needed))
    }

    /// Makes a token worthless.
    pub(crate) fn revoke_all(&self) {
        for scopes in self.0.lock().unwrap().values_mut() {
            *scopes = Scopes::default();
        }
    }
}

async fn reply(
    request: Request<Incoming>,
    manners: Arc<Manners>,
    granted: Granted,
    ledger: Ledger,
) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let place = ledger.note(Host::Realm, &head);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    ledger.note_body(place, &body);

    let form = if head.method == Method::POST {
        body
    } else {
        head.uri.query().unwrap_or("").to_owned().into()
    };
    let fields: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| &**value);
    let is_proved = match manners.proof {
        Proof::Password => {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")));
            head.method == Method::GET
                && head.headers.get(AUTHORIZATION).is_some_and(|it| *it == basic)
        }
        Proof::IdentityToken => {
            head.method == Method::POST
                && field("grant_type") == Some("refresh_token")
                && field("refresh_token") == Some(IDENTITY_TOKEN)
                && !head.headers.contains_key(AUTHORIZATION)
        }
    };
    if !is_proved || field("service") != Some(SERVICE) {
        return Ok(empty(StatusCode::UNAUTHORIZED));
    }

    let asked = fields.iter().filter(|(name, _)| name == "scope").flat_map(|(_, it)| it.split(' '));
    let is_denied =
        |scope: &str| manners.denied.iter().any(|thing| scope.starts_with(&format!("{thing}:")));
    let scopes: Vec<&str> = asked.filter(|scope| !is_denied(scope)).collect();
    let mut granted = granted.lock().unwrap();
    let token = format!("opaque-{}-7g8h9i", granted.len());
    granted.insert(token.clone(), scopes.join(" ").parse().unwrap_or_default());
    let named = if manners.proof == Proof::Password { "token" } else { "access_token" };
    let mut body = serde_json::json!({ named: token });
    if let Some(seconds) = manners.expires_in {
        body["expires_in"] = seconds.into();
    }
    Ok(answer(StatusCode::OK, &[], body.to_string()))
}
