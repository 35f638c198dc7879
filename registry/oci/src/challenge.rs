//! What a registry says when it wants to know who is asking: the challenges of `WWW-Authenticate`,
//! and the scopes for which a token is asked
//! (<https://distribution.github.io/distribution/spec/auth/>).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use http_auth::ChallengeParser;

use crate::RepositoryName;

/// One way in that a registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password with every request (RFC 7617).
    Basic,
    /// A token of a server that the registry trusts (RFC 6750).
    Bearer {
        /// Where tokens are to be had: an address.
        realm: String,
        /// How the registry is called there.
        service: Option<String>,
        /// What the token has to allow.
        scopes: Scopes,
    },
}

impl Challenge {
    /// The challenges of one `WWW-Authenticate` header, in its order. Ways in that are neither of
    /// these two are left out, and so is what comes after something that is no challenge.
    pub fn parse(header: &str) -> Vec<Self> {
        ChallengeParser::new(header).map_while(Result::ok).filter_map(Self::known).collect()
    }

    fn known(challenge: http_auth::ChallengeRef<'_>) -> Option<Self> {
        let parameter = |name: &str| {
            let mut named = challenge.params.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
            named.next().map(|(_, value)| value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let scopes = parameter("scope").unwrap_or_default().parse().unwrap_or_default();
        Some(Self::Bearer { realm: parameter("realm")?, service: parameter("service"), scopes })
    }
}

/// What a token is to allow: actions on things like `repository:team/app`. Written as one text,
/// with a space between the things: `repository:a:pull,push repository:b:pull`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Actions on one repository, like `["pull", "push"]`.
    pub fn of_repository<const N: usize>(name: &RepositoryName, actions: [&str; N]) -> Self {
        let actions = actions.map(str::to_owned).into();
        Self(BTreeMap::from([(format!("repository:{name}"), actions)]))
    }

    /// The list of a registry's repositories.
    pub fn catalog() -> Self {
        Self(BTreeMap::from([("registry:catalog".into(), BTreeSet::from(["*".into()]))]))
    }

    /// What either allows.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (thing, actions) in &other.0 {
            self.0.entry(thing.clone()).or_default().extend(actions.iter().cloned());
        }
        self
    }

    /// Whether this allows all that `other` allows.
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|(thing, actions)| {
            self.0.get(thing).is_some_and(|own| own.contains("*") || own.is_superset(actions))
        })
    }

    /// Whether nothing at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One text for each thing, as they are sent to the server of tokens.
    pub fn each(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(thing, actions)| {
            let actions: Vec<_> = actions.iter().map(String::as_str).collect();
            format!("{thing}:{}", actions.join(","))
        })
    }
}

impl FromStr for Scopes {
    type Err = std::convert::Infallible;

    /// A part that is no scope is left out: it comes from a registry, which says again what it
    /// wants when it does not get it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut scopes = Self::default();
        for part in text.split_ascii_whitespace() {
            // A thing's name may hold a colon; actions do not.
            let Some((thing, actions)) = part.rsplit_once(':') else { continue };
            let actions = actions.split(',').filter(|it| !it.is_empty()).map(str::to_owned);
            scopes.0.entry(thing.to_owned()).or_default().extend(actions);
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<_> = self.each().collect();
        formatter.write_str(&each.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    fn bearer(realm: &str, service: Option<&str>, scope: &str) -> Challenge {
        let service = service.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service, scopes: scopes(scope) }
    }

    #[test]
    fn challenges_as_registries_write_them() {
        for (header, expected) in [
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    "repository:samalba/my-app:push,pull",
                )],
            ),
            (
                r#"BEARER Realm="https://a/t", service="with, comma and \"quotes\"""#,
                vec![bearer("https://a/t", Some(r#"with, comma and "quotes""#), "")],
            ),
            (
                r#"Basic realm="r", Bearer realm="https://a/t",error="invalid_token""#,
                vec![Challenge::Basic, bearer("https://a/t", None, "")],
            ),
            (r#"Digest realm="r", nonce="n", Basic realm="r""#, vec![Challenge::Basic]),
            // A token without a realm is one that nobody can get.
            (r#"Bearer service="x""#, vec![]),
            ("Negotiate", vec![]),
            ("", vec![]),
            ("\u{1}\u{2}", vec![]),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn scopes_have_one_form() {
        let written = "repository:b:push,pull repository:a/c:pull";
        assert_eq!(scopes(written).to_string(), "repository:a/c:pull repository:b:pull,push");
        let with_port = scopes("repository:host:5000/a:pull");
        assert_eq!(with_port.each().collect::<Vec<_>>(), ["repository:host:5000/a:pull"]);
        assert!(scopes("  nothing ").is_empty());
    }

    #[test]
    fn scopes_add_up_and_cover_what_they_hold() {
        let name = "team/app".parse().unwrap();
        let (pull, both) = (
            Scopes::of_repository(&name, ["pull"]),
            Scopes::of_repository(&name, ["pull", "push"]),
        );
        let mount = both.clone().and(&scopes("repository:base:pull"));
        assert_eq!(mount.to_string(), "repository:base:pull repository:team/app:pull,push");
        assert!(both.cover(&pull) && mount.cover(&both) && both.cover(&Scopes::default()));
        assert!(!pull.cover(&both) && !both.cover(&mount));
        assert!(scopes("registry:catalog:*").cover(&scopes("registry:catalog:list")));
        assert_eq!(Scopes::catalog().to_string(), "registry:catalog:*");
    }
}
