//! Pods that do not start because of their image, as the API server of each cluster tells it, and what
//! that comes from. Asked by the kubectl that every control plane has.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::question::explain;
use crate::setup::node::{self, Node, Role};
use crate::setup::{Finding, SetupError, Site, Step};

/// The pods as a check.
#[derive(Debug)]
pub struct Pods;

/// What a container waits for when its image is the reason.
const REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// What a program of another processor ends with.
const FORMAT_ERROR: &str = "exec format error";
/// How many pods are told.
const TOLD_MAX: usize = 20;

/// What containerd says, and which check says more of it.
const SYMPTOMS: [(&str, &str); 9] = [
    ("server gave HTTP response to HTTPS client", "hosts-toml` and `config-path"),
    ("proxyconnect", "no-proxy"),
    ("no such host", "node-reach"),
    ("connection refused", "hosts-toml` and `node-reach"),
    ("i/o timeout", "node-reach"),
    ("no route to host", "node-reach"),
    ("no match for platform", "catalog"),
    (FORMAT_ERROR, "catalog"),
    ("not found", "catalog"),
];

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Pod>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    image: String,
    #[serde(default)]
    state: State,
    #[serde(default)]
    last_state: State,
}

#[derive(Default, Deserialize)]
struct State {
    waiting: Option<Words>,
    terminated: Option<Words>,
}

#[derive(Default, Deserialize)]
struct Words {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// A container that does not start because of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    pod: String,
    image: String,
    reason: String,
    message: String,
}

impl Step for Pods {
    fn name(&self) -> &'static str {
        "pods"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let mut clusters = BTreeSet::new();
        let mut found = Vec::new();
        for node in node::running(site)? {
            if node.role == Role::ControlPlane && clusters.insert(node.cluster.clone()) {
                found.extend(of_cluster(site, &node)?);
            }
        }
        Ok(found)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // pods and their manifests are the user's
    }
}

fn of_cluster(site: &Site, node: &Node) -> Result<Vec<Finding>, SetupError> {
    let kubectl = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--request-timeout=5s"];
    let get = ["get", "pods", "--all-namespaces", "--output=json"];
    let program = site.engine.program([&["exec", node.name()], &kubectl[..], &get].concat());
    let cluster = format!("cluster {}", node.cluster);
    let answer = match site.hand().ask(&program) {
        Ok(answer) => answer,
        Err(error) => {
            let said = error.said()?;
            let last = said.lines().last().unwrap_or_default();
            let words = format!("its API server cannot be asked for pods: {last}");
            return Ok(vec![Finding::note(cluster, words)]);
        }
    };
    let Ok(list) = serde_json::from_slice::<List>(&answer) else {
        return Ok(vec![Finding::note(cluster, "its pods cannot be read")]);
    };
    let failing = failing(list);
    if failing.is_empty() {
        return Ok(vec![Finding::ok(cluster, "no pod fails for its image")]);
    }
    let told = failing.iter().take(TOLD_MAX).map(|it| explained(site, it));
    told.collect()
}

fn failing(list: List) -> Vec<Failing> {
    let mut all = Vec::new();
    for Pod { metadata, status } in list.items {
        let pod = format!("pod {}/{}", metadata.namespace, metadata.name);
        let containers =
            status.init_container_statuses.into_iter().chain(status.container_statuses);
        for ContainerStatus { image, state, last_state } in containers {
            let ended = [&state, &last_state].map(|it| it.terminated.as_ref());
            let ended = ended.into_iter().flatten().find(|it| it.message.contains(FORMAT_ERROR));
            let (reason, message) = match (&state.waiting, ended) {
                (_, Some(ended)) => (&ended.reason, &ended.message),
                (Some(waiting), None) if REASONS.contains(&waiting.reason.as_str()) => {
                    (&waiting.reason, &waiting.message)
                }
                _ => continue,
            };
            let (reason, message) = (reason.clone(), message.clone());
            all.push(Failing { pod: pod.clone(), image, reason, message });
        }
    }
    all
}

/// A fault where the image itself is the cause. Where it is not, the wiring is, which other checks tell;
/// or was, and the kubelet tries again by itself.
fn explained(site: &Site, it: &Failing) -> Result<Finding, SetupError> {
    let Failing { pod, image, reason, message } = it;
    if let Some(cause) = explain(site, image)?.into_iter().find(Finding::is_fault) {
        let words = format!("{reason}: {image}: {}", cause.words);
        return Ok(Finding { about: pod.clone(), words, ..cause });
    }
    let words = format!("{reason}: {image}: {}", message.lines().next().unwrap_or_default());
    if message.contains(FORMAT_ERROR) {
        let fix = "build the image for the nodes' processor, and push it";
        return Ok(Finding::fault(pod, words).left_to_you(fix));
    }
    let again = "the kubelet tries again within five minutes; at once if the pod is deleted";
    let fix = match SYMPTOMS.iter().find(|(symptom, _)| message.contains(symptom)) {
        Some((_, check)) => format!("see `{check}` here; once all is well, {again}"),
        None => format!("once all is well here, {again}"),
    };
    Ok(Finding { fix: Some(fix), ..Finding::note(pod, words) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;
    use crate::setup::site::tests::site;

    const LIST: &str = r#"{"kind":"List","items":[
        {"metadata":{"name":"web","namespace":"default"},"status":{"containerStatuses":[
            {"image":"localhost/web:1","state":{"waiting":{"reason":"ImagePullBackOff",
             "message":"Back-off pulling image \"localhost/web:1\""}}}]}},
        {"metadata":{"name":"old","namespace":"default"},"status":{"containerStatuses":[
            {"image":"quay.io/old:1","state":{"waiting":{"reason":"CrashLoopBackOff"}},
             "lastState":{"terminated":{"reason":"StartError","message":"exec /app: exec format error"}}}]}},
        {"metadata":{"name":"wires","namespace":"a"},"status":{"initContainerStatuses":[
            {"image":"quay.io/x:1","state":{"waiting":{"reason":"ErrImagePull",
             "message":"proxyconnect tcp: dial tcp: lookup proxy: no such host"}}}]}},
        {"metadata":{"name":"crash","namespace":"a"},"status":{"containerStatuses":[
            {"image":"x","state":{"waiting":{"reason":"CrashLoopBackOff"}},
             "lastState":{"terminated":{"reason":"Error"}}}]}},
        {"metadata":{"name":"new","namespace":"a"},"status":{}}]}"#;

    #[test]
    fn pods_that_fail_for_their_image_are_told_with_the_cause() {
        let (site, _) = site([]);
        let failing = failing(serde_json::from_str(LIST).unwrap());
        let found: Vec<_> = failing.iter().map(|it| explained(&site, it).unwrap()).collect();
        let shown: Vec<_> = found.iter().map(|it| (it.about.as_str(), it.level)).collect();
        let levels = [
            ("pod default/web", Level::Fault),
            ("pod default/old", Level::Fault),
            ("pod a/wires", Level::Note),
        ];
        assert_eq!(shown, levels);
        assert!(found[0].words.contains("asks no registry called localhost"), "{:?}", found[0]);
        assert!(found[2].fix.as_ref().unwrap().contains("`no-proxy`"), "{:?}", found[2]);
    }
}
