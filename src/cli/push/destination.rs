//! Where an image goes: the names that people type, read as they are meant. A name without a
//! registry of its own goes to the local one, whichever of its names it is called by.
//!
//! Nothing is asked and nothing is looked up here.

use wharf_client::{AddressError, RegistryAddress};
use wharf_oci::{Digest, ImageReference, Reference, RepositoryName, Tag};

use crate::project::Project;

/// Hosts that mean the local registry, on the port that everybody's local registry has.
const LOCAL_NAMES: [&str; 5] =
    ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "kind-registry:5000"];

/// The registries that a push knows of before it reads a name.
#[derive(Debug, Clone)]
pub struct Registries {
    /// Where names go that have no registry of their own.
    pub local: RegistryAddress,
    /// Where every name goes, whatever stands in it.
    pub forced: Option<RegistryAddress>,
    /// What pods call the local registry.
    pub pods: String,
}

/// The local registry's address, where none is told.
const LOCAL: &str = "localhost:5000";
/// What pods call it, where they are not told.
const PODS: &str = "kind-registry:5000";

/// What pods call a registry: a host and a port, as it begins an image's name.
pub fn pod_registry(text: &str) -> Result<String, AddressError> {
    text.parse().map(|address: RegistryAddress| address.name().to_owned())
}

/// A place for an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The registry.
    pub registry: RegistryAddress,
    /// What pods call that registry, if that is another name.
    pub pods: Option<String>,
    /// The repository in it.
    pub name: RepositoryName,
    /// The tag that moves; or the digest, where the name has no tag.
    pub reference: Reference,
}

impl Registries {
    /// The local registry as it was told, or else as a project says, or else as it was set up: its port
    /// here, and its name for pods; or else as usual.
    #[expect(clippy::expect_used, reason = "a constant that is an address")]
    pub fn of(
        local: Option<RegistryAddress>,
        pods: Option<String>,
        project: Option<&Project>,
        set_up: Option<(u16, String)>,
    ) -> Self {
        let local = local.or_else(|| project?.registry.clone());
        let pods = pods.or_else(|| project?.pod_registry.clone());
        // What pods call the one that was set up is no name of another.
        let set_up = set_up.filter(|_| local.is_none());
        let pods = pods.or_else(|| Some(set_up.as_ref()?.1.clone()));
        let local = local.or_else(|| format!("localhost:{}", set_up.as_ref()?.0).parse().ok());
        Self {
            local: local.unwrap_or_else(|| LOCAL.parse().expect("the local registry's address")),
            forced: None,
            pods: pods.unwrap_or_else(|| PODS.to_owned()),
        }
    }

    /// Where an image of this name goes.
    ///
    /// # Errors
    /// The name begins with a host that is no registry's address.
    pub fn destination(&self, name: &ImageReference) -> Result<Destination, AddressError> {
        let own = name.registry.as_deref().filter(|_| !self.is_local(name));
        let registry = match (&self.forced, own) {
            (Some(forced), _) => forced.clone(),
            (None, Some(own)) => own.parse()?,
            (None, None) => self.local.clone(),
        };
        let is_ours = registry.is_local() || registry.name() == self.local.name();
        let pods = is_ours.then(|| self.pods.clone());
        let reference = reference(name.tag.as_ref(), name.digest.as_ref());
        Ok(Destination { registry, pods, name: name.name.clone(), reference })
    }

    /// Whether a name means an image in the local registry.
    pub fn is_local(&self, name: &ImageReference) -> bool {
        match name.registry.as_deref() {
            None => true,
            // Nobody pushes to the official images: their name here is a copy's.
            Some("docker.io") => name.name.as_str().starts_with("library/"),
            Some(host) => LOCAL_NAMES.contains(&host) || host == self.pods || self.is_twin(host),
        }
    }

    /// Whether a host is the local registry by this or another name of this machine: on its port.
    fn is_twin(&self, host: &str) -> bool {
        let port = |name: &str| name.rsplit_once(':').map(|(_, port)| port.to_owned());
        let is_here = |other: &RegistryAddress| other.is_local() && self.local.is_local();
        let other = host.parse::<RegistryAddress>().ok().filter(is_here);
        host == self.local.name()
            || other.is_some_and(|it| port(it.name()) == port(self.local.name()))
    }

    /// The names under which the image may be in a local store, best first: as it was typed, and
    /// without the local registry's host, as it was built.
    pub fn names_in_store(&self, typed: &str) -> Vec<String> {
        let mut names = vec![typed.to_owned()];
        if let Ok(mut name) = typed.parse::<ImageReference>()
            && name.registry.as_deref().is_some_and(|host| host.contains(':'))
            && self.is_local(&name)
        {
            name.registry = None;
            names.push(name.to_string());
        }
        names
    }
}

impl Destination {
    /// The name on this machine: `localhost:5000/app:v1`.
    pub fn here(&self) -> String {
        written(self.registry.name(), &self.name, &self.reference)
    }

    /// The name for a Kubernetes manifest: `kind-registry:5000/app:v1`, or for other registries
    /// than the local one the only name there is.
    pub fn in_a_pod(&self) -> String {
        match &self.pods {
            Some(host) => written(host, &self.name, &self.reference),
            None => self.here(),
        }
    }
}

fn written(host: &str, name: &RepositoryName, reference: &Reference) -> String {
    let separator = match reference {
        Reference::Tag(_) => ':',
        Reference::Digest(_) => '@',
    };
    format!("{host}/{name}{separator}{reference}")
}

/// What a manifest is stored under: a tag if one is named, else the digest that is named, else
/// `latest`.
#[expect(clippy::expect_used, reason = "the word is of a tag's grammar")]
fn reference(tag: Option<&Tag>, digest: Option<&Digest>) -> Reference {
    match (tag, digest) {
        (Some(tag), _) => Reference::Tag(tag.clone()),
        (None, Some(digest)) => Reference::Digest(*digest),
        (None, None) => Reference::Tag("latest".parse().expect("a tag")),
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    fn registries(local: &str, forced: Option<&str>) -> Registries {
        Registries {
            local: local.parse().unwrap(),
            forced: forced.map(|address| address.parse().unwrap()),
            pods: "kind-registry:5000".into(),
        }
    }

    /// The names here and in a pod.
    fn names(registries: &Registries, typed: &str) -> [String; 2] {
        let destination = registries.destination(&typed.parse().unwrap()).unwrap();
        [destination.here(), destination.in_a_pod()]
    }

    #[test]
    fn every_name_of_the_local_registry_means_it() {
        let local = registries("localhost:5000", None);
        for (typed, path) in [
            ("moon-server:v1.0.0", "moon-server:v1.0.0"),
            ("localhost/moon-server:v1.0.0", "moon-server:v1.0.0"),
            ("localhost:5000/moon-server:v1", "moon-server:v1"),
            ("127.0.0.1:5000/team/app:v1", "team/app:v1"),
            ("[::1]:5000/app:v1", "app:v1"),
            ("kind-registry:5000/app:v1", "app:v1"),
            ("docker.io/library/alpine:3.20", "library/alpine:3.20"),
            ("library/alpine", "library/alpine:latest"),
            ("app", "app:latest"),
            ("127.0.0.2:5000/app:v1", "app:v1"),
        ] {
            let names = names(&local, typed);
            assert_eq!(names[0], format!("localhost:5000/{path}"), "{typed}");
            assert_eq!(names[1], format!("kind-registry:5000/{path}"), "{typed}");
        }
    }

    #[test]
    fn a_registry_of_its_own_is_gone_to() {
        let local = registries("localhost:5000", None);
        for typed in ["ghcr.io/me/app:v1", "docker.io/me/app:v1", "10.0.0.7:5000/app:v1"] {
            assert_eq!(names(&local, typed), [typed, typed]);
        }
        // Another registry on this machine; pods reach it the way they reach any.
        let [here, pod] = names(&local, "localhost:5001/app:v1");
        assert_eq!((&*here, &*pod), ("localhost:5001/app:v1", "kind-registry:5000/app:v1"));
    }

    #[test]
    fn the_flag_beats_the_name_and_the_variable_does_not() {
        let forced = registries("localhost:5000", Some("registry.example:443"));
        for typed in ["app:v1", "localhost/app:v1", "ghcr.io/app:v1", "localhost:5000/app:v1"] {
            assert_eq!(names(&forced, typed)[0], "registry.example:443/app:v1", "{typed}");
            assert_eq!(names(&forced, typed)[1], "registry.example:443/app:v1", "{typed}");
        }
        let elsewhere = registries("10.0.0.7:5000", None);
        for typed in ["app:v1", "kind-registry:5000/app:v1", "10.0.0.7:5000/app:v1"] {
            let expected = ["10.0.0.7:5000/app:v1", "kind-registry:5000/app:v1"];
            assert_eq!(names(&elsewhere, typed), expected, "{typed}");
        }
        assert_eq!(names(&elsewhere, "ghcr.io/me/app:v1")[0], "ghcr.io/me/app:v1");
    }

    #[test]
    fn a_digest_is_what_a_name_without_a_tag_is_stored_under() {
        let local = registries("localhost:5000", None);
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let typed = format!("app@{digest}");
        assert_eq!(names(&local, &typed)[0], format!("localhost:5000/app@{digest}"));
        let both = format!("app:v1@{digest}");
        assert_eq!(names(&local, &both)[0], "localhost:5000/app:v1");
    }

    #[test]
    fn an_image_is_looked_for_as_it_was_typed_and_as_it_was_built() {
        let local = registries("localhost:5000", None);
        for (typed, second) in [
            ("app:v1", None),
            ("localhost/app:v1", None),
            ("localhost:5000/app:v1", Some("app:v1")),
            ("kind-registry:5000/team/app", Some("team/app")),
            ("ghcr.io/me/app:v1", None),
            ("0123456789ab", None),
        ] {
            let names = local.names_in_store(typed);
            assert_eq!(names[0], typed);
            assert_eq!(names.get(1).map(String::as_str), second, "{typed}");
        }
    }

    #[test]
    fn the_registry_is_where_it_was_told_or_was_set_up() {
        let set_up = || Some((5001, "demo:5000".to_owned()));
        let of = |told: Option<&str>, pods: Option<&str>, set_up| {
            let told = told.map(|it| it.parse().unwrap());
            let found = Registries::of(told, pods.map(str::to_owned), None, set_up);
            (found.local.name().to_owned(), found.pods)
        };
        let names = |local: &str, pods: &str| (local.to_owned(), pods.to_owned());
        assert_eq!(of(None, None, None), names(LOCAL, PODS));
        assert_eq!(of(None, None, set_up()), names("localhost:5001", "demo:5000"));
        assert_eq!(of(None, Some("a:1"), set_up()), names("localhost:5001", "a:1"));
        assert_eq!(of(Some("localhost:7000"), None, set_up()), names("localhost:7000", PODS));
    }
}
