//! Who is let in, and what the others are told.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{Method, request};
use wharf_oci::RepositoryName;

use super::House;
use super::session::session_id;
use crate::authority::{PASSWORD, SERVICE, USER};
use crate::behaviour::Access;

impl House {
    /// What a request is told that lacks what lets it in.
    pub(super) fn challenge(&self, head: &request::Parts) -> Option<String> {
        let shown = head.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or("");
        match self.behaviour.access {
            Access::Open => None,
            Access::Basic => {
                let wanted = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
                let is_right = shown == format!("Basic {wanted}");
                (!is_right).then(|| r#"Basic realm="https://registry.example/""#.to_owned())
            }
            Access::Tokens => {
                let token = shown.strip_prefix("Bearer ").unwrap_or("");
                let name = self.repository(head.uri.path());
                let is_look = [Method::GET, Method::HEAD].contains(&head.method);
                let actions: &[&str] = if is_look { &["pull"] } else { &["push"] };
                let allows = |action| match &name {
                    Some(name) => self.grants.allow(token, name, action),
                    None => !token.is_empty(),
                };
                let realm = format!(r#"realm="http://{}/token",service="{SERVICE}""#, self.realm);
                let scope = name.as_ref().map(|name| {
                    format!(
                        r#",scope="repository:{name}:{}""#,
                        if is_look { "pull" } else { "pull,push" }
                    )
                });
                let is_let_in = actions.iter().all(|action| allows(action));
                (!is_let_in).then(|| format!("Bearer {realm}{}", scope.unwrap_or_default()))
            }
        }
    }

    /// The repository that a path is about.
    fn repository(&self, path: &str) -> Option<RepositoryName> {
        if let Some(id) = session_id(path) {
            return self.content().sessions.get(&id).map(|session| session.name.clone());
        }
        let path = path.strip_prefix("/v2/")?;
        let end = ["/blobs/", "/manifests/", "/tags/"].iter().find_map(|it| path.find(it))?;
        path[..end].parse().ok()
    }

    /// Whether a token allows to take from a repository too.
    pub(super) fn may_pull(&self, from: &RepositoryName, head: &request::Parts) -> bool {
        let shown = head.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or("");
        let token = shown.strip_prefix("Bearer ").unwrap_or("");
        self.behaviour.access != Access::Tokens || self.grants.allow(token, from, "pull")
    }
}
