//! An image of the project as manifests mean it and as pods find it: every name that it may have in a
//! manifest, and the one by which the registry has it. The registry is asked for the digest alone.

use wharf_oci::{Digest, ImageReference};

use super::kustomization::Mapping;
use crate::cli::push::destination::{Destination, Registries};

/// Hosts that a name of the local registry may begin with, besides those that are set.
const HOSTS: [&str; 5] =
    ["localhost", "localhost:5000", "127.0.0.1:5000", "kind-registry:5000", "docker.io/library"];

/// An image of the project, and where it is.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Its name in the project.
    pub name: ImageReference,
    /// Where it is.
    pub destination: Destination,
}

impl Meant {
    /// What an image of the project means.
    ///
    /// # Errors
    /// Its name begins with a host that is no registry's address.
    pub fn of(
        name: &ImageReference,
        registries: &Registries,
    ) -> Result<Self, wharf_client::AddressError> {
        Ok(Self { name: name.clone(), destination: registries.destination(name)? })
    }

    /// The name in a pod, without tag and digest.
    pub fn repository(&self) -> String {
        let registry = self.destination.registry.name();
        let host = self.destination.pods.as_deref().unwrap_or(registry);
        format!("{host}/{}", self.destination.name)
    }

    /// Every name, without a tag, by which a manifest may mean it.
    pub fn names(&self) -> Vec<String> {
        let path = self.destination.name.as_str();
        let Some(pods) = &self.destination.pods else { return vec![self.repository()] };
        let own = [pods.as_str(), self.destination.registry.name()];
        let mut hosts: Vec<_> = HOSTS.into_iter().chain(own).collect();
        hosts.sort_unstable();
        hosts.dedup();
        // An IPv6 address is no name that kustomize understands.
        hosts.retain(|host| !host.contains('['));
        let with_host = hosts.into_iter().map(|host| format!("{host}/{path}"));
        std::iter::once(path.to_owned()).chain(with_host).collect()
    }

    /// Whether the image that is written in a manifest is this one, whatever its tag.
    pub fn is_written(&self, image: &str) -> bool {
        let Ok(written) = image.parse::<ImageReference>() else { return false };
        let name = match &written.registry {
            Some(host) => format!("{host}/{}", written.name),
            None => written.name.to_string(),
        };
        self.names().contains(&name)
    }

    /// How kustomize puts it in.
    pub fn mapping(&self, digest: Digest) -> Mapping {
        Mapping { names: self.names(), new_name: self.repository(), digest }
    }

    /// The name that stands in the pods: `kind-registry:5000/app@sha256:…`.
    pub fn in_a_pod(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str) -> Meant {
        let registries = Registries {
            local: "127.0.0.1:5001".parse().unwrap(),
            forced: None,
            pods: "kind-registry:5000".into(),
        };
        Meant::of(&name.parse().unwrap(), &registries).unwrap()
    }

    #[test]
    fn a_manifest_may_mean_an_image_by_each_of_its_names() {
        let moon = meant("moon-server:v1.0.0");
        for name in [
            "moon-server",
            "moon-server:v9",
            "localhost/moon-server:v1.0.0",
            "localhost:5000/moon-server",
            "127.0.0.1:5001/moon-server",
            "kind-registry:5000/moon-server:v1.0.0",
            "docker.io/library/moon-server",
        ] {
            assert!(moon.is_written(name), "{name}");
        }
        for name in
            ["team/moon-server", "ghcr.io/me/moon-server", "moon", "localhost:5009/moon-server"]
        {
            assert!(!moon.is_written(name), "{name}");
        }
        let foreign = meant("ghcr.io/me/app:v1");
        assert_eq!(foreign.names(), ["ghcr.io/me/app"]);
        assert!(foreign.is_written("ghcr.io/me/app:v2") && !foreign.is_written("app"));
    }
}
