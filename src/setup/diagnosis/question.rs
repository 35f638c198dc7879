//! Why an image does not pull: what its name means to a node, whether the registry has it, and whether
//! nodes can run it. What is wrong with the wiring is not asked here: the other checks say that.

use wharf_oci::{ImageReference, Reference, Tag};

use super::holdings::{Held, Holdings};
use crate::failure::told;
use crate::setup::{Config, Finding, SetupError, Site, Step};

/// The image that the user asks about, as a check.
#[derive(Debug)]
pub struct Question {
    /// Its name, as a pod has it.
    pub image: String,
}

/// How many similar names a finding gives.
const NEAREST_MAX: usize = 3;
/// How similar they are at least, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

impl Step for Question {
    fn name(&self) -> &'static str {
        "image-asked"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        explain(site, &self.image)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // names in manifests are the user's
    }
}

/// What a name means to the containerd of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// An image in our registry.
    Ours,
    /// Our registry, but by a port at which no node finds it.
    WrongPort(String),
    /// The node itself, where no registry is.
    NodeItself,
    /// Docker Hub: the name says no registry, or that one.
    Hub,
    /// Nothing: it is how Podman calls images that were built here.
    PodmanOnly,
    /// Another registry.
    Elsewhere(String),
}

impl Meaning {
    fn of(image: &ImageReference, config: &Config) -> Self {
        let Some(registry) = image.registry.as_deref() else { return Self::Hub };
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        match host {
            _ if registry == config.pod_name() || registry == config.host_name() => Self::Ours,
            "localhost" if registry == host => Self::PodmanOnly,
            "docker.io" | "index.docker.io" => Self::Hub,
            "127.0.0.1" | "[::1]" => Self::NodeItself,
            host if host == config.registry || host == "localhost" => {
                Self::WrongPort(registry.to_owned())
            }
            _ => Self::Elsewhere(registry.to_owned()),
        }
    }
}

/// What there is to say of an image.
///
/// # Errors
/// The engine or the threads that ask cannot be had.
pub fn explain(site: &Site, image: &str) -> Result<Vec<Finding>, SetupError> {
    let parsed: ImageReference = match image.parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            let words = format!("is not the name of an image: {}", told(&error));
            let fix = format!("write it as {}/NAME:TAG", site.config.pod_name());
            return Ok(vec![Finding::fault(image, words).left_to_you(fix)]);
        }
    };
    let meant = in_pods(site, &parsed);
    let wrong =
        |words: String| Finding::fault(image, words).left_to_you(meant_instead(site, &parsed));
    Ok(vec![match Meaning::of(&parsed, &site.config) {
        Meaning::Ours => return of_ours(site, image, &parsed),
        Meaning::WrongPort(registry) => wrong(format!(
            "no node finds the registry as {registry}: pods use the port inside its container, \
             whatever it is on this machine"
        )),
        Meaning::NodeItself => {
            wrong("is looked for on the node itself, where no registry is".to_owned())
        }
        Meaning::PodmanOnly => wrong(
            "is the name that Podman has for it on this machine; a node asks no registry called \
             localhost"
                .to_owned(),
        ),
        Meaning::Hub if is_known_here(site, &parsed)? => {
            wrong("names no registry, so nodes look for it in docker.io".to_owned())
        }
        Meaning::Hub => Finding::note(
            image,
            format!("comes from docker.io, not from the registry; there it would be {meant}"),
        ),
        Meaning::Elsewhere(registry) => {
            Finding::note(image, format!("comes from {registry}, of which wharf knows nothing"))
        }
    }])
}

/// An image's name for pods, if it were in our registry.
fn in_pods(site: &Site, image: &ImageReference) -> String {
    let name = image.name.as_str();
    let name = name.strip_prefix("library/").unwrap_or(name);
    let reference = match (&image.digest, &image.tag) {
        (Some(digest), _) => format!("@{digest}"),
        (None, Some(tag)) => format!(":{tag}"),
        (None, None) => ":latest".to_owned(),
    };
    format!("{}/{name}{reference}", site.config.pod_name())
}

fn meant_instead(site: &Site, image: &ImageReference) -> String {
    let name = in_pods(site, image);
    let bare = name.split_once('/').map_or(name.as_str(), |(_, bare)| bare);
    format!("write {name} in the pod; `wharf push {bare}` brings it there")
}

/// Whether the engine or the registry of this machine has an image of that name.
fn is_known_here(site: &Site, image: &ImageReference) -> Result<bool, SetupError> {
    let name = image.name.as_str();
    let bare = name.strip_prefix("library/").unwrap_or(name);
    let tag = image.tag.as_ref().map_or("latest", Tag::as_str);
    if site.engine.image_id(&format!("localhost/{bare}:{tag}"))?.is_some() {
        return Ok(true);
    }
    let tags = bare.parse().ok().map(|name| holdings(site)?.tags(&name).map_err(SetupError::from));
    Ok(tags.is_some_and(|tags| tags.is_ok_and(|tags| !tags.is_empty())))
}

fn holdings(site: &Site) -> Result<Holdings, SetupError> {
    Holdings::on(site.config.port).map_err(SetupError::Asking)
}

fn reference(image: &ImageReference) -> Reference {
    match (&image.digest, &image.tag) {
        (Some(digest), _) => Reference::Digest(*digest),
        (None, Some(tag)) => Reference::Tag(tag.clone()),
        #[expect(clippy::expect_used, reason = "a constant that is a tag")]
        (None, None) => Reference::Tag("latest".parse().expect("latest is a tag")),
    }
}

fn of_ours(site: &Site, text: &str, image: &ImageReference) -> Result<Vec<Finding>, SetupError> {
    let holdings = holdings(site)?;
    Ok(vec![match holdings.image(&image.name, &reference(image)) {
        Ok(Some(held)) => return of_held(site, text, &held),
        Ok(None) => missing(site, text, image, &holdings)?,
        Err(error) => {
            let words = format!("it cannot be seen whether the registry has it: {}", told(&error));
            Finding::fault(text, words).left_to_you("see what the check `registry` says")
        }
    }])
}

fn of_held(site: &Site, text: &str, held: &Held) -> Result<Vec<Finding>, SetupError> {
    let mut found = vec![Finding::ok(text, format!("is in the registry, as {}", held.digest))];
    let nodes = site.engine.info()?.architecture;
    found.extend(mismatch(text, held, &nodes).map(|words| {
        let fix =
            format!("build it for the nodes: `podman build --platform linux/{nodes} …`, and push");
        Finding::fault(text, words).left_to_you(fix)
    }));
    Ok(found)
}

/// That no node can run an image, if that is so.
pub fn mismatch(text: &str, held: &Held, nodes: &str) -> Option<String> {
    let is_known = !held.architectures.is_empty() && !nodes.is_empty();
    let fits = held.architectures.iter().any(|it| it == nodes);
    (is_known && !fits).then(|| {
        let has = held.architectures.join(", ");
        let name = text.rsplit('/').next().unwrap_or(text);
        format!("{name} is for {has}, and the nodes are {nodes}: \"no match for platform\" or \"exec format error\"")
    })
}

/// Why the registry has no such image.
fn missing(
    site: &Site,
    text: &str,
    image: &ImageReference,
    holdings: &Holdings,
) -> Result<Finding, SetupError> {
    let at = reference(image);
    let tags = holdings.tags(&image.name)?;
    let (words, near) = if tags.is_empty() {
        let names = holdings.repositories()?;
        let near = nearest(image.name.as_str(), names.iter().map(|name| name.as_str()));
        (format!("the registry has no repository {}", image.name), near)
    } else {
        let mut near = nearest(&at.to_string(), tags.iter().map(Tag::as_str));
        if near.is_empty() {
            // Tags need not be alike to be meant; the last ones are mostly the newest.
            near = tags.iter().rev().take(NEAREST_MAX).map(Tag::to_string).collect();
        }
        let near = near.into_iter().map(|tag| format!("{}:{tag}", image.name)).collect();
        (format!("the registry has {}, but not {at}", image.name), near)
    };
    let mut fixes: Vec<String> = Vec::new();
    if !near.is_empty() {
        let pods = site.config.pod_name();
        let near: Vec<_> = near.iter().map(|near| format!("{pods}/{near}")).collect();
        fixes.push(format!("write {} if that is meant", near.join(" or ")));
    }
    if let Reference::Tag(tag) = &at {
        fixes.push(format!("push it: `wharf push {}:{tag}`", image.name));
    }
    Ok(Finding::fault(text, words).left_to_you(fixes.join(", or ")))
}

/// The names that are most like one.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let bare = |name: &'a str| {
        ["library/", "localhost/"].iter().find_map(|it| name.strip_prefix(it)).unwrap_or(name)
    };
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let wanted_bare =
        ["library/", "localhost/"].iter().find_map(|it| wanted.strip_prefix(it)).unwrap_or(wanted);
    let likeness = |name: &'a str| match bare(name) {
        same if same == wanted_bare => (2.0, name),
        other if last(other) == last(wanted_bare) => (1.5, name),
        other => (strsim::jaro_winkler(wanted_bare, other), name),
    };
    let mut near: Vec<_> = names.map(likeness).filter(|(like, _)| *like >= LIKENESS_MIN).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(NEAREST_MAX).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    #[test]
    fn a_name_is_read_as_a_node_reads_it() {
        let (site, _) = site([]);
        let config = Config { port: 5001, ..site.config.clone() };
        for (name, meaning) in [
            ("kind-registry:5000/app:1", Meaning::Ours),
            ("localhost:5001/app:1", Meaning::Ours),
            ("kind-registry:5001/app:1", Meaning::WrongPort("kind-registry:5001".into())),
            ("localhost:5000/app:1", Meaning::WrongPort("localhost:5000".into())),
            ("127.0.0.1:5001/app:1", Meaning::NodeItself),
            ("localhost/app:1", Meaning::PodmanOnly),
            ("app:1", Meaning::Hub),
            ("docker.io/library/app:1", Meaning::Hub),
            ("quay.io/app:1", Meaning::Elsewhere("quay.io".into())),
        ] {
            assert_eq!(Meaning::of(&name.parse().unwrap(), &config), meaning, "{name}");
        }
    }

    #[test]
    fn near_names_are_found_with_and_without_their_prefixes() {
        let names = ["library/app", "team/web", "localhost/db", "other"];
        let near = |wanted| nearest(wanted, names.into_iter());
        assert_eq!(near("app"), ["library/app"]);
        assert_eq!(near("library/web"), ["team/web"]);
        assert_eq!(near("db")[0], "localhost/db");
        assert!(near("zzzzzz").is_empty());
        assert_eq!(nearest("v1.0.0", ["v1.0.1", "latest"].into_iter()), ["v1.0.1"]);
    }

    #[test]
    fn a_name_that_means_something_else_is_put_right() {
        let (site, _) = site([]);
        for (image, words, fix) in [
            ("localhost/app:1", "asks no registry called localhost", "kind-registry:5000/app:1"),
            ("kind-registry:5001/app", "as kind-registry:5001", "kind-registry:5000/app:latest"),
            ("127.0.0.1:5000/a/b:2", "on the node itself", "kind-registry:5000/a/b:2"),
            ("App:1", "is not the name of an image", "kind-registry:5000/NAME:TAG"),
        ] {
            let found = &explain(&site, image).unwrap()[0];
            assert!(found.is_fault() && found.words.contains(words), "{found:?}");
            assert!(
                found.fix.as_ref().unwrap().contains(&format!("write {fix}"))
                    || found.fix.as_ref().unwrap().contains(fix),
                "{found:?}"
            );
        }
    }

    #[test]
    fn an_image_of_this_machine_is_not_looked_for_in_docker_io() {
        let (site, _) =
            site([("podman image inspect localhost/app:1", Ok(r#"[{"Id":"sha256:1"}]"#.into()))]);
        let found = &explain(&site, "docker.io/library/app:1").unwrap()[0];
        assert!(found.is_fault() && found.words.contains("docker.io"), "{found:?}");
        assert!(found.fix.as_ref().unwrap().contains("`wharf push app:1`"), "{found:?}");
    }

    #[test]
    fn an_image_for_another_processor_is_told() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let held = |architectures: &[&str]| Held {
            digest: digest.parse().unwrap(),
            architectures: architectures.iter().map(|it| (*it).to_owned()).collect(),
        };
        let words = mismatch("kind-registry:5000/app:1", &held(&["amd64"]), "arm64").unwrap();
        assert!(words.starts_with("app:1 is for amd64, and the nodes are arm64"), "{words}");
        assert_eq!(mismatch("app", &held(&["amd64", "arm64"]), "arm64"), None);
        assert_eq!(mismatch("app", &held(&[]), "arm64"), None);
    }
}
