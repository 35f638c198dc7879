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

/// How the objects stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As they should, and the pod is ready.
    Right,
    /// The pod is not ready.
    Waiting,
    /// They are of another wharf, or another setting.
    Other,
    /// There is something of the name that no wharf made.
    Foreign,
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
    let deployment = own(site, "deployment");
    let get = ["get", &deployment, IN_NAMESPACE, "--ignore-not-found", "-o", "json"];
    match site.engine.look(head.name(), &[&KUBECTL[..], &get].concat()) {
        Ok(said) => Ok(match judge(&said, &made_of(site, goods)) {
            state @ (State::Right | State::Waiting) => {
                missing(site, head)?.map_or(state, State::Lacking)
            }
            state => state,
        }),
        Err(EngineError::Run(error)) => {
            Ok(State::Silent(error.said()?.lines().last().unwrap_or_default().to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the deployment needs and is not there: its claim, and the Service by which it is found.
fn missing(site: &Site, head: &Node) -> Result<Option<String>, SetupError> {
    let claim = format!("persistentvolumeclaim/{}", site.config.volume);
    let needed = [own(site, "service"), claim];
    let get = ["get", &needed[0], &needed[1], IN_NAMESPACE, "--ignore-not-found", "-o", "name"];
    let said = site.engine.look(head.name(), &[&KUBECTL[..], &get].concat())?;
    Ok(needed.into_iter().find(|object| !said.lines().any(|line| line.trim() == object)))
}

/// Judges what `kubectl get deployment -o json` says, which is nothing where there is nothing.
fn judge(said: &str, made_of: &str) -> State {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Deployment {
        metadata: Metadata,
        status: Status,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        annotations: std::collections::BTreeMap<String, String>,
        generation: u64,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Status {
        ready_replicas: u32,
        observed_generation: u64,
    }
    if said.trim().is_empty() {
        return State::Missing;
    }
    let Deployment { metadata, status } = serde_json::from_str(said).unwrap_or_default();
    match metadata.annotations.get(manifest::MADE_OF) {
        Some(stated) if stated == made_of => {}
        Some(_) => return State::Other,
        None => return State::Foreign,
    }
    let is_seen = status.observed_generation >= metadata.generation;
    if is_seen && status.ready_replicas > 0 { State::Right } else { State::Waiting }
}

/// What is told of a state; nothing of the right one.
pub(super) fn finding(cluster: &str, state: State) -> Option<Finding> {
    let fault = |words: &str, fix: &str| Some(Finding::fault(cluster, words).mended_by(fix));
    match state {
        State::Right => None,
        State::Waiting => fault("the registry's pod is not ready", "wait for it"),
        State::Other => fault("the registry in it is of another wharf", "apply this one's"),
        State::Foreign => Some(
            Finding::fault(
                cluster,
                format!("has a deployment in {NAMESPACE} that wharf did not make"),
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
pub(super) fn foreign(site: &Site, cluster: &str) -> SetupError {
    let name = &site.config.registry;
    SetupError::InTheWay {
        what: format!("{cluster} has a deployment {NAMESPACE}/{name} that wharf did not make"),
        hint: "remove it, or rename ours by --registry-name".into(),
    }
}

/// Whether the namespace is there, whoever made it.
///
/// # Errors
/// The engine cannot be asked.
pub(super) fn has_namespace(site: &Site, head: &Node) -> Result<bool, SetupError> {
    let get = ["get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"];
    Ok(!site.engine.look(head.name(), &[&KUBECTL[..], &get].concat())?.trim().is_empty())
}

/// That the API server does not answer, as an error.
pub(super) fn silent(cluster: &str, words: &str) -> SetupError {
    SetupError::Broken {
        what: format!("the API server of {cluster} does not answer: {words}"),
        hint: "run `wharf up --in-cluster` again when it does".into(),
    }
}

/// The objects as they are applied.
pub(super) fn wanted(site: &Site, goods: &Goods) -> String {
    let text = manifest::text(&site.config, goods.source.image().id.as_ref());
    manifest::annotated(&text, &made_of(site, goods))
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
            (String::new(), State::Missing),
            ("{}".into(), State::Foreign),
            (deployment("old", 1, 2), State::Other),
            (deployment("this", 0, 2), State::Waiting),
            (deployment("this", 1, 1), State::Waiting),
            (deployment("this", 1, 2), State::Right),
        ] {
            assert_eq!(judge(&said, "this"), state, "{said}");
        }
    }
}
