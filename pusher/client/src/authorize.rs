//! Who is asking: what a registry's 401 wants to be told is found out, kept, and put on every
//! request that goes to that registry.
//!
//! It refuses to tell anyone else: a credential goes to its registry, and to the server of tokens
//! that this registry itself names. Neither hears it over plain HTTP, unless it never leaves this
//! machine or the user has asked for that.

mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::uri::Scheme;
use http::{StatusCode, Uri};
use tokio::sync::OnceCell;
use wharf_oci::{Challenge, Endpoint, RepositoryName, Scopes};

use crate::address::is_loopback;
use crate::answer::Answer;
use crate::client::RegistryClient;
use crate::credential::{Credential, CredentialError, Credentials};
use crate::denial::Denial;
use crate::error::Error;
use token::{Outcome, Realm, Token};

/// The most tokens that are kept; a client that needs more asks again.
const TOKENS_MAX: usize = 1024;
/// The most repositories whose credentials are remembered.
const REPOSITORIES_MAX: usize = 1024;

/// What a request needs to be let through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Need {
    repository: Option<RepositoryName>,
    scopes: Scopes,
}

impl Need {
    /// What a push into a repository needs.
    pub(crate) fn push(name: &RepositoryName) -> Self {
        let scopes = Scopes::of_repository(name, ["pull", "push"]);
        Self { repository: Some(name.clone()), scopes }
    }

    /// What a request to an end-point needs, by a client that is going to push or not.
    pub(crate) fn of(endpoint: &Endpoint, pushes: bool) -> Self {
        let look = |name: &RepositoryName| {
            if pushes {
                return Self::push(name);
            }
            let scopes = Scopes::of_repository(name, ["pull"]);
            Self { repository: Some(name.clone()), scopes }
        };
        match endpoint {
            Endpoint::Version => Self::default(),
            Endpoint::ListRepositories { .. } => {
                Self { repository: None, scopes: Scopes::catalog() }
            }
            Endpoint::ListTags { name, .. }
            | Endpoint::ListReferrers { name, .. }
            | Endpoint::GetBlob { name, .. }
            | Endpoint::HeadBlob { name, .. }
            | Endpoint::GetManifest { name, .. }
            | Endpoint::HeadManifest { name, .. } => look(name),
            Endpoint::StartUpload { name, mount, .. } => {
                let from = mount.as_ref().and_then(|mount| mount.from.as_ref());
                let from = from.map(|from| Scopes::of_repository(from, ["pull"]));
                Self::push(name).and(&from.unwrap_or_default())
            }
            Endpoint::UploadStatus { name, .. }
            | Endpoint::AppendUpload { name, .. }
            | Endpoint::FinishUpload { name, .. }
            | Endpoint::CancelUpload { name, .. }
            | Endpoint::PutManifest { name, .. } => Self::push(name),
            Endpoint::DeleteBlob { name, .. } | Endpoint::DeleteManifest { name, .. } => {
                look(name).and(&Scopes::of_repository(name, ["delete"]))
            }
        }
    }

    /// The same in a repository, where it is to do these things.
    pub(crate) fn within<const N: usize>(self, name: &RepositoryName, actions: [&str; N]) -> Self {
        let need = self.and(&Scopes::of_repository(name, actions));
        Self { repository: Some(name.clone()), ..need }
    }

    fn and(self, scopes: &Scopes) -> Self {
        Self { scopes: self.scopes.and(scopes), ..self }
    }
}

/// What lets one request through.
#[derive(Debug)]
pub(crate) struct Pass {
    header: HeaderValue,
    /// The token that it is made of, if it is one that was asked for.
    token: Option<Arc<OnceCell<Outcome>>>,
    /// Whose it is; none: anybody's.
    holder: Option<Holder>,
}

/// Whose a pass is, as far as that may be told.
#[derive(Debug, Clone)]
struct Holder(Option<String>);

impl Pass {
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Whether another one may be had when this one is not taken any more.
    pub(crate) fn can_be_renewed(&self) -> bool {
        self.token.is_some()
    }
}

/// The way in that a registry's last 401 told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entrance {
    Basic,
    Bearer(Realm),
}

type Found = Result<Option<Credential>, Arc<CredentialError>>;

/// What a client knows about getting in.
#[derive(Debug)]
pub(crate) struct Authorizer {
    credentials: Option<Arc<dyn Credentials>>,
    insecure: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entrance: Option<Entrance>,
    credentials: HashMap<Option<RepositoryName>, Arc<OnceCell<Found>>>,
    // The cells are waited for by all who need the same token, so that it is asked for once.
    tokens: HashMap<(Realm, Scopes), Arc<OnceCell<Outcome>>>,
}

impl Authorizer {
    pub(crate) fn new(credentials: Option<Arc<dyn Credentials>>, insecure: bool) -> Self {
        Self { credentials, insecure, known: Mutex::default() }
    }

    /// What lets a request through; none as long as the registry has not asked.
    pub(crate) async fn pass(
        &self,
        client: &RegistryClient,
        need: &Need,
    ) -> Result<Option<Pass>, Error> {
        let Some(entrance) = self.known().entrance.clone() else { return Ok(None) };
        let found = self.credential(client, need).await;
        let registry = client.origin();
        let header = match (&entrance, &found) {
            (Entrance::Basic, Ok(Some(Credential::Password { user, password }))) => {
                basic(user, password)
            }
            (Entrance::Bearer(_), Ok(Some(Credential::RegistryToken(token)))) => bearer(token),
            (Entrance::Bearer(realm), _) => {
                return self.token(client, realm, need, &found).await.map(Some);
            }
            (Entrance::Basic, Ok(Some(_))) => return Err(client.denied(Denial::OtherKind)),
            (Entrance::Basic, Ok(None)) => return Err(client.denied(Denial::Nobody)),
            (Entrance::Basic, Err(error)) => return Err(client.denied(Denial::of(error))),
        };
        let holder = self.shown_to(client, &registry, found.ok().flatten().as_ref())?;
        let header = header.ok_or_else(|| client.denied(Denial::OtherKind))?;
        Ok(Some(Pass { header, token: None, holder }))
    }

    /// Whether the registry has wanted to know who is asking.
    pub(crate) fn was_asked(&self) -> bool {
        self.known().entrance.is_some()
    }

    /// Takes in what a 401 tells. Gives what the request needs by it; none if it tells nothing, and
    /// there is no other way to ask.
    pub(crate) fn learn(&self, answer: &Answer, need: &Need, used: Option<&Pass>) -> Option<Need> {
        let headers = answer.response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = headers
            .filter_map(|it| it.to_str().ok())
            .flat_map(Challenge::parse)
            .collect::<Vec<_>>();
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scopes } => {
                Some((Entrance::Bearer(Realm::parse(realm, service.as_deref())?), scopes.clone()))
            }
            Challenge::Basic => None,
        });
        let basic = || {
            let has_basic = challenges.contains(&Challenge::Basic);
            has_basic.then(|| (Entrance::Basic, Scopes::default()))
        };
        let (entrance, scopes) = bearer.or_else(basic)?;
        let mut known = self.known();
        known.entrance = Some(entrance);
        if let Some(token) = used.and_then(|used| used.token.as_ref()) {
            known.tokens.retain(|_, it| !Arc::ptr_eq(it, token));
        }
        Some(need.clone().and(&scopes))
    }

    /// Why a request that had a pass was not let through.
    pub(crate) fn refusal(&self, client: &RegistryClient, need: &Need, pass: &Pass) -> Error {
        client.denied(match (&pass.holder, &pass.token) {
            (None, _) => Denial::Nobody,
            (Some(Holder(user)), None) => {
                Denial::Refused { user: user.clone(), by: None, words: None }
            }
            (Some(Holder(user)), Some(_)) => {
                Denial::NotAllowed { user: user.clone(), scopes: need.scopes.to_string() }
            }
        })
    }

    /// A token, kept or asked for, that covers what the request needs.
    async fn token(
        &self,
        client: &RegistryClient,
        realm: &Realm,
        need: &Need,
        found: &Found,
    ) -> Result<Pass, Error> {
        let credential = found.as_ref().ok().and_then(Option::as_ref);
        if credential.is_some() && !self.may_hear(client, realm.uri()) {
            return Err(client.denied(Denial::Exposed { to: realm.shown() }));
        }
        let holder = self.shown_to(client, &client.origin(), credential)?;
        let cell = self.cell(realm, &need.scopes);
        let ask = || token::fetch(client, realm, &need.scopes, credential);
        let outcome = cell.get_or_try_init(ask).await?;
        match outcome {
            Outcome::Granted(Token { header, .. }) => {
                Ok(Pass { header: header.clone(), token: Some(Arc::clone(&cell)), holder })
            }
            Outcome::Refused(words) => Err(client.denied(match (found, holder) {
                (Err(error), _) => Denial::of(error),
                (Ok(_), None) => Denial::Nobody,
                (Ok(_), Some(Holder(user))) => {
                    Denial::Refused { user, by: Some(realm.shown()), words: words.clone() }
                }
            })),
        }
    }

    /// The place of a token that covers these scopes; it may have to be asked for yet.
    fn cell(&self, realm: &Realm, scopes: &Scopes) -> Arc<OnceCell<Outcome>> {
        let mut known = self.known();
        known.tokens.retain(|_, cell| !cell.get().is_some_and(Outcome::is_over));
        let covers = |((of, allowed), cell): &(&(Realm, Scopes), &Arc<OnceCell<Outcome>>)| {
            let is_granted = matches!(cell.get(), Some(Outcome::Granted(_)));
            of == realm && (allowed == scopes || is_granted && allowed.cover(scopes))
        };
        if let Some((_, cell)) = known.tokens.iter().find(covers) {
            return Arc::clone(cell);
        }
        if known.tokens.len() >= TOKENS_MAX {
            known.tokens.clear();
        }
        let cell = Arc::default();
        known.tokens.insert((realm.clone(), scopes.clone()), Arc::clone(&cell));
        cell
    }

    async fn credential(&self, client: &RegistryClient, need: &Need) -> Found {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let cell = {
            let mut known = self.known();
            if known.credentials.len() >= REPOSITORIES_MAX {
                known.credentials.clear();
            }
            Arc::clone(known.credentials.entry(need.repository.clone()).or_default())
        };
        let find = || async {
            let credentials = Arc::clone(credentials);
            let (registry, repository) =
                (client.address().name().to_owned(), need.repository.clone());
            // Files are read, and programs may be asked.
            let find = move || credentials.find(&registry, repository.as_ref());
            match tokio::task::spawn_blocking(find).await {
                Ok(found) => found.map_err(Arc::new),
                Err(_) => Ok(None),
            }
        };
        cell.get_or_init(find).await.clone()
    }

    /// The holder of a credential that is going to be shown to `to`, if it may be.
    fn shown_to(
        &self,
        client: &RegistryClient,
        to: &Uri,
        credential: Option<&Credential>,
    ) -> Result<Option<Holder>, Error> {
        let Some(credential) = credential else { return Ok(None) };
        if !self.may_hear(client, to) {
            return Err(client.denied(Denial::Exposed { to: client.address().to_string() }));
        }
        Ok(Some(Holder(credential.user().map(str::to_owned))))
    }

    /// Whether a credential of this client's registry may be sent to an address: over TLS, on this
    /// machine from end to end, or to the registry's own host where the user wants it so.
    fn may_hear(&self, client: &RegistryClient, to: &Uri) -> bool {
        let registry = client.origin();
        let (host, own) = (to.host().unwrap_or_default(), registry.host().unwrap_or_default());
        to.scheme() == Some(&Scheme::HTTPS)
            || is_loopback(host) && is_loopback(own)
            || self.insecure && registry.scheme() == Some(&Scheme::HTTP) && host == own
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None: a user name with a colon, or bytes that no header holds.
fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    if user.contains(':') {
        return None;
    }
    secret("Basic", &BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    secret("Bearer", token)
}

fn secret(scheme: &str, text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {text}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Whether a status of a server of tokens says that it knows who is asking, and will not.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
