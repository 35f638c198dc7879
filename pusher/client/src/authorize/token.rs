//! Tokens: asked for at the address that a registry named, kept until shortly before they end
//! (<https://distribution.github.io/distribution/spec/auth/token/>, and `oauth/` beside it).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use tokio::time::Instant;
use wharf_oci::{ErrorBody, Scopes};

use super::{basic, bearer, is_refusal};
use crate::client::RegistryClient;
use crate::credential::Credential;
use crate::denial::Denial;
use crate::error::Error;
use crate::upload::RequestBody;

/// The longest answer of a server of tokens that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// How long a token is good whose end is not told (as the token specification has it).
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60);
/// The longest time that a token is kept. What says that it lives longer is asked again.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long before its end a token is not used any more: a request takes its time on the way.
/// A quarter of its life if that is less.
const SLACK: Duration = Duration::from_secs(10);

/// Where tokens are to be had, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Realm {
    uri: Uri,
    service: Option<String>,
}

impl Realm {
    /// None: it is no address that could be asked.
    pub(super) fn parse(text: &str, service: Option<&str>) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        let authority = uri.authority().filter(|it| !it.as_str().contains('@'));
        (is_http && authority.is_some()).then(|| Self { uri, service: service.map(str::to_owned) })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The address for people: without a query, which may hold anything.
    pub(super) fn shown(&self) -> String {
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        format!("{}://{authority}{}", self.uri.scheme_str().unwrap_or_default(), self.uri.path())
    }

    fn parameters(&self, scopes: &Scopes) -> Vec<(&'static str, String)> {
        let service = self.service.clone().map(|service| ("service", service));
        service.into_iter().chain(scopes.each().map(|scope| ("scope", scope))).collect()
    }
}

/// What a server of tokens answered.
#[derive(Debug)]
pub(super) enum Outcome {
    Granted(Token),
    /// It said no; with its words.
    Refused(Option<String>),
}

impl Outcome {
    /// Whether it is of no use any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Granted(token) if token.ends_at <= Instant::now())
    }
}

/// A token, as it goes on requests.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    ends_at: Instant,
}

/// The body of an answer that grants (token specification, "Token Response Fields").
#[derive(Deserialize)]
struct Grant {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

/// Asks for a token. A refusal is an outcome; a server that cannot be asked is an error.
pub(super) async fn fetch(
    client: &RegistryClient,
    realm: &Realm,
    scopes: &Scopes,
    credential: Option<&Credential>,
) -> Result<Outcome, Error> {
    let request = match credential {
        Some(Credential::IdentityToken(token)) => exchange(realm, scopes, token),
        Some(Credential::Password { user, password }) => {
            let header = basic(user, password).ok_or_else(|| client.denied(Denial::OtherKind))?;
            let mut request = question(realm, scopes);
            request.headers_mut().insert(AUTHORIZATION, header);
            request
        }
        Some(Credential::RegistryToken(_)) | None => question(realm, scopes),
    };
    // From before the answer, so that a slow way makes no token live longer.
    let asked_at = Instant::now();
    let mut answer = client.deliver(request, &realm.shown()).await?;
    if is_refusal(answer.status()) {
        let body = answer.read(ANSWER_BYTES_MAX).await.unwrap_or_default();
        // A server may repeat what it was sent.
        let is_secret =
            |it: &String| answer.repeats(it) || credential.is_some_and(|own| own.is_in(it));
        let told = words(&body).filter(|words| !is_secret(words));
        return Ok(Outcome::Refused(told));
    }
    let mut answer = answer.accept(&[StatusCode::OK]).await?;
    let body = answer.read(ANSWER_BYTES_MAX).await?;
    let grant: Option<Grant> = serde_json::from_slice(&body).ok();
    grant
        .and_then(|grant| grant.token(asked_at))
        .map(Outcome::Granted)
        .ok_or_else(|| client.denied(Denial::NoToken { realm: realm.shown() }))
}

impl Grant {
    fn token(self, asked_at: Instant) -> Option<Token> {
        let text = self.token.or(self.access_token).filter(|token| !token.is_empty())?;
        let told = self.expires_in.filter(|seconds| *seconds > 0.0);
        let lifetime = told.map_or(LIFETIME_DEFAULT, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(LIFETIME_MAX).min(LIFETIME_MAX)
        });
        let ends_at = asked_at + lifetime - SLACK.min(lifetime / 4);
        Some(Token { header: bearer(&text)?, ends_at })
    }
}

/// `GET` with the parameters in the query, which may hold something already.
fn question(realm: &Realm, scopes: &Scopes) -> Request<RequestBody> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(realm.parameters(scopes));
    let parts = [realm.uri.query().unwrap_or_default().to_owned(), query.finish()];
    let query = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    let target = if query.is_empty() {
        realm.uri.path().to_owned()
    } else {
        format!("{}?{query}", realm.uri.path())
    };
    let mut parts = realm.uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    let mut request = Request::new(RequestBody::default());
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_else(|_| realm.uri.clone());
    request
}

/// `POST` of a form that exchanges the token of a login for one of requests.
fn exchange(realm: &Realm, scopes: &Scopes, token: &str) -> Request<RequestBody> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    form.append_pair("refresh_token", token);
    form.append_pair("client_id", "wharf");
    // All scopes in one field, unlike in a query.
    let service = realm.service.as_deref().unwrap_or_default();
    form.append_pair("service", service);
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.to_string());
    }
    let mut request = Request::new(RequestBody::Memory(form.finish().into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = realm.uri.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    request
}

/// What a server of tokens says of its refusal, in the form of registries or in that of OAuth 2.
fn words(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error_description: Option<String>,
        details: Option<String>,
        message: Option<String>,
    }
    let registry = serde_json::from_slice::<ErrorBody>(body).ok();
    let registry = registry.and_then(|body| body.errors.into_iter().next()).map(|it| it.message);
    let refusal = || serde_json::from_slice::<Refusal>(body).ok();
    let oauth = || refusal().and_then(|it| it.error_description.or(it.details).or(it.message));
    let words = registry.filter(|words| !words.is_empty()).or_else(oauth)?;
    Some(words.chars().filter(|it| !it.is_control()).take(200).collect())
}
