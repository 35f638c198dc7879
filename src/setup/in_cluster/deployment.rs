//! The objects as they stand in the cluster: asked, judged, applied and waited for by the control plane's
//! own kubectl, so that the host needs none.

use serde::Deserialize;
use wharf_oci::{Algorithm, Digest};

use super::{NAMESPACE, manifest};
use crate::failure::told;
use crate::load::Goods;
use crate::setup::engine::EngineError;
use crate::setup::node::Node;
use crate::setup::{Finding, SetupError, Site};

/// The control plane's own kubectl, as Kind calls it.
const KUBECTL: [&str; 2] = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
/// How long its pod may take to be ready; a new node needs half of it for itself.
const ROLLOUT_MAX: &str = "--timeout=180s";
/// [`NAMESPACE`] as kubectl is told of it.
pub(super) const IN_NAMESPACE: &str = "--namespace=wharf";

/// An object of it, as kubectl is told of one.
pub(super) fn own(site: &Site, kind: &str) -> String {
    format!("{kind}/{}", site.config.registry)
}

/// Its claim.
pub(super) fn claim(site: &Site) -> String {
    format!("persistentvolumeclaim/{}", site.config.volume)
}

/// How the objects stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As they should, and the pod is ready.
    Right,
    /// The pod is not ready.
    Waiting,
    /// They are of another wharf, or another setting.
    Other,
    /// There is an object of the name that no wharf made. Which.
    Foreign(String),
    /// There are none.
    Missing,
    /// The deployment is there, and not what goes with it. What is missing.
    Lacking(String),
    /// The API server does not answer. In whose words.
    Silent(String),
}

/// Asks a control plane how they stand.
///
/// # Errors
/// The engine cannot be asked; that the API server does not answer is a state.
pub(super) fn state(site: &Site, head: &Node, goods: &Goods) -> Result<State, SetupError> {
    let (deployment, service) = (own(site, "deployment"), own(site, "service"));
    let found = match Object::read(site, head, &deployment) {
        Err(EngineError::Run(error)) => {
            let words = error.said()?;
            return Ok(State::Silent(words.lines().last().unwrap_or_default().to_owned()));
        }
        found => found?,
    };
    let found_service = Object::read(site, head, &service)?;
    Ok(match (found, found_service) {
        (Some(it), _) if !it.is_ours() => State::Foreign(deployment),
        (_, Some(it)) if !it.is_ours() => State::Foreign(service),
        (None, _) => State::Missing,
        (Some(it), found_service) => match (it.judged(&made_of(site, goods)), found_service) {
            (State::Other, _) => State::Other,
            (_, None) => State::Lacking(service),
            _ if !has_claim(site, head)? => State::Lacking(claim(site)),
            (state, _) => state,
        },
    })
}

/// An object as `kubectl get -o json` shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    metadata: Metadata,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: std::collections::BTreeMap<String, String>,
    generation: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    ready_replicas: u32,
    observed_generation: u64,
}

impl Object {
    /// Asks a control plane for an object of the namespace; none if there is none.
    ///
    /// # Errors
    /// The engine cannot be asked, or the API server does not answer.
    pub(super) fn read(
        site: &Site,
        head: &Node,
        object: &str,
    ) -> Result<Option<Self>, EngineError> {
        let get = ["get", object, IN_NAMESPACE, "--ignore-not-found", "-o", "json"];
        Ok(Self::parse(&site.engine.look(head.name(), &[&KUBECTL[..], &get].concat())?))
    }

    /// Reads an answer, which is empty where there is nothing.
    fn parse(said: &str) -> Option<Self> {
        let is_there = !said.trim().is_empty();
        is_there.then(|| serde_json::from_str(said).unwrap_or_default())
    }

    /// Whether some wharf made it.
    pub(super) fn is_ours(&self) -> bool {
        self.metadata.annotations.contains_key(manifest::MADE_OF)
    }

    /// Judges the deployment by itself.
    fn judged(&self, made_of: &str) -> State {
        let Self { metadata, status } = self;
        if metadata.annotations.get(manifest::MADE_OF).is_none_or(|stated| stated != made_of) {
            return State::Other;
        }
        let is_seen = status.observed_generation >= metadata.generation;
        if is_seen && status.ready_replicas > 0 { State::Right } else { State::Waiting }
    }
}

/// What is told of a state; nothing of the right one.
pub(super) fn finding(cluster: &str, state: State) -> Option<Finding> {
    let fault = |words: &str, fix: &str| Some(Finding::fault(cluster, words).mended_by(fix));
    match state {
        State::Right => None,
        State::Waiting => fault("the registry's pod is not ready", "wait for it"),
        State::Other => fault("the registry in it is of another wharf", "apply this one's"),
        State::Foreign(object) => Some(
            Finding::fault(
                cluster,
                format!("has a {object} in {NAMESPACE} that wharf did not make"),
            )
            .left_to_you("remove it, or rename ours by --registry-name"),
        ),
        State::Missing => fault("has no registry in it", "apply the registry's objects"),
        State::Lacking(object) => fault(
            &format!("the registry in it has lost its {object}"),
            "apply the registry's objects",
        ),
        State::Silent(words) => Some(
            Finding::fault(cluster, format!("its API server does not answer: {words}"))
                .left_to_you("run `wharf up` again when it does"),
        ),
    }
}

/// That something of the name is there, as an error.
pub(super) fn foreign(cluster: &str, object: &str) -> SetupError {
    SetupError::InTheWay {
        what: format!("{cluster} has a {object} in {NAMESPACE} that wharf did not make"),
        hint: "remove it, or rename ours by --registry-name".into(),
    }
}

/// Whether the namespace is there, whoever made it.
///
/// # Errors
/// The engine cannot be asked.
pub(super) fn has_namespace(site: &Site, head: &Node) -> Result<bool, SetupError> {
    has(site, head, &["namespace", NAMESPACE])
}

/// Whether the claim is there, whoever made it.
///
/// # Errors
/// The engine cannot be asked.
pub(super) fn has_claim(site: &Site, head: &Node) -> Result<bool, SetupError> {
    has(site, head, &[&claim(site), IN_NAMESPACE])
}

fn has(site: &Site, head: &Node, object: &[&str]) -> Result<bool, SetupError> {
    let get = [&KUBECTL[..], &["get"], object, &["--ignore-not-found", "-o", "name"]].concat();
    Ok(!site.engine.look(head.name(), &get)?.trim().is_empty())
}

/// That the API server does not answer, as an error.
pub(super) fn silent(cluster: &str, words: &str) -> SetupError {
    SetupError::Broken {
        what: format!("the API server of {cluster} does not answer: {words}"),
        hint: "run `wharf up --in-cluster` again when it does".into(),
    }
}

/// The objects as they are applied, with the claim or without.
pub(super) fn wanted(site: &Site, goods: &Goods, has_claim: bool) -> String {
    let text = manifest::text(&site.config, goods.source.image().id.as_ref());
    let text = manifest::annotated(&text, &made_of(site, goods));
    if has_claim { manifest::without_claim(&text) } else { text }
}

/// What tells objects from those of other settings or another image.
fn made_of(site: &Site, goods: &Goods) -> String {
    let text = manifest::text(&site.config, goods.source.image().id.as_ref());
    Digest::of(Algorithm::Sha256, text.as_bytes()).hex()
}

/// Has a control plane's kubectl change something.
///
/// # Errors
/// It refuses.
pub(super) fn kubectl(
    site: &Site,
    head: &Node,
    words: &[&str],
    input: &[u8],
) -> Result<(), SetupError> {
    Ok(site.engine.exec(head.name(), &[&KUBECTL[..], words].concat(), input)?)
}

/// Waits until the pod is ready.
///
/// # Errors
/// It does not get ready; the hint says what to look at.
pub(super) fn await_ready(site: &Site, head: &Node) -> Result<(), SetupError> {
    let deployment = own(site, "deployment");
    let waiting = ["rollout", "status", &deployment, IN_NAMESPACE, ROLLOUT_MAX];
    kubectl(site, head, &waiting, &[]).map_err(|error| SetupError::Broken {
        what: format!("the registry's pod does not get ready: {}", told(&error)),
        hint: format!(
            "`kubectl --context kind-{} {IN_NAMESPACE} describe pods` tells why",
            head.cluster
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(made_of: &str, ready: u32, seen: u64) -> String {
        serde_json::json!({
            "metadata": { "annotations": { manifest::MADE_OF: made_of }, "generation": 2 },
            "status": { "readyReplicas": ready, "observedGeneration": seen },
        })
        .to_string()
    }

    #[test]
    fn a_deployment_is_judged_by_what_it_was_made_of_and_its_pod() {
        for (said, state) in [
            (deployment("old", 1, 2), State::Other),
            (deployment("this", 0, 2), State::Waiting),
            (deployment("this", 1, 1), State::Waiting),
            (deployment("this", 1, 2), State::Right),
        ] {
            let found = Object::parse(&said).unwrap();
            assert!(found.is_ours(), "{said}");
            assert_eq!(found.judged("this"), state, "{said}");
        }
        assert!(Object::parse("\n").is_none());
        assert!(!Object::parse("{}").unwrap().is_ours());
    }
}
