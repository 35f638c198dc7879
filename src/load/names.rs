//! The names under which a node has to know an image, so that pods find it by what their manifests
//! say. Podman's `localhost/app:1` is `app:1` to whoever writes a pod, and Kubernetes reads that as
//! `docker.io/library/app:1`: a node is given both.

use wharf_oci::{Digest, ImageReference};

/// The registry that a name without one has for Kubernetes.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The one that Podman gives to what it built.
const LOCAL: &str = "localhost";
/// The folder of names without one, in [`DEFAULT_REGISTRY`].
const LIBRARY: &str = "library/";

/// The full names that pods may call an image by. The first is the one to write.
pub fn in_pods(name: &ImageReference) -> Vec<String> {
    let repositories = match name.registry.as_deref() {
        None | Some(LOCAL) => vec![full(DEFAULT_REGISTRY, name), full(LOCAL, name)],
        Some(registry) => vec![full(registry, name)],
    };
    let rest = match (&name.tag, &name.digest) {
        (Some(tag), _) => format!(":{tag}"),
        (None, Some(digest)) => format!("@{digest}"),
        (None, None) => ":latest".to_owned(),
    };
    repositories.into_iter().map(|repository| repository + &rest).collect()
}

fn full(registry: &str, name: &ImageReference) -> String {
    let is_bare = registry == DEFAULT_REGISTRY && !name.name.as_str().contains('/');
    format!("{registry}/{}{}", if is_bare { LIBRARY } else { "" }, name.name)
}

/// A full name as one writes it in a pod: `app:1` for `docker.io/library/app:1`.
pub fn short(name: &str) -> &str {
    let rest = name.strip_prefix(DEFAULT_REGISTRY).and_then(|rest| rest.strip_prefix('/'));
    let rest = rest.map(|rest| rest.strip_prefix(LIBRARY).unwrap_or(rest));
    rest.unwrap_or(name)
}

/// Whether Kubernetes pulls an image of this name at every start, unless the pod says otherwise.
pub fn is_always_pulled(name: &str) -> bool {
    name.ends_with(":latest")
}

/// The names and, for each repository among them, the one by the manifest's digest: what a node has
/// after a pull, and by which it tells a pod's image.
pub fn with_digests(names: &[String], digest: &Digest) -> Vec<String> {
    let mut all = names.to_vec();
    for name in names {
        let repository = name.split('@').next().unwrap_or(name);
        let tagged = repository.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let by_digest = format!("{}@{digest}", tagged.map_or(repository, |(path, _)| path));
        if !all.contains(&by_digest) {
            all.push(by_digest);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    #[test]
    fn a_pod_finds_an_image_by_what_it_says() {
        for (typed, names) in [
            ("app:1", &["docker.io/library/app:1", "localhost/app:1"][..]),
            ("localhost/app:1", &["docker.io/library/app:1", "localhost/app:1"]),
            ("team/app", &["docker.io/team/app:latest", "localhost/team/app:latest"]),
            ("docker.io/library/alpine:3", &["docker.io/library/alpine:3"]),
            ("docker.io/alpine:3", &["docker.io/library/alpine:3"]),
            ("ghcr.io/me/app:v1", &["ghcr.io/me/app:v1"]),
            ("kind-registry:5000/app:1", &["kind-registry:5000/app:1"]),
            ("localhost:5000/app:1", &["localhost:5000/app:1"]),
        ] {
            assert_eq!(in_pods(&typed.parse().unwrap()), names, "{typed}");
        }
    }

    #[test]
    fn what_is_written_in_a_pod_is_short() {
        for (name, written) in [
            ("docker.io/library/app:1", "app:1"),
            ("docker.io/team/app:1", "team/app:1"),
            ("localhost/app:1", "localhost/app:1"),
            ("docker.io.example/app:1", "docker.io.example/app:1"),
        ] {
            assert_eq!(short(name), written);
        }
        assert!(is_always_pulled("docker.io/library/app:latest"));
        assert!(!is_always_pulled("docker.io/library/app:v1"));
    }

    #[test]
    fn each_repository_has_a_name_by_digest() {
        let digest = Digest::of(Algorithm::Sha256, b"manifest");
        let names = ["docker.io/library/app:1", "localhost:5000/app:1"].map(str::to_owned);
        let all = with_digests(&names, &digest);
        assert_eq!(all[2], format!("docker.io/library/app@{digest}"));
        assert_eq!(all[3], format!("localhost:5000/app@{digest}"));
        let by_digest = [format!("ghcr.io/me/app@{digest}")];
        assert_eq!(with_digests(&by_digest, &digest), by_digest);
    }
}
