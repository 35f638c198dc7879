//! The `ConfigMap` `local-registry-hosting` in every cluster, by which Tilt, Skaffold and the like find the
//! registry (KEP-1755). One that speaks of another registry is left alone. Pods pull without it.

use serde::Deserialize;
use yaml_serde::Mapping;

use super::in_cluster;
use super::node::{self, Node, Role};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step};
use crate::setup::engine::EngineError;

/// The step.
#[derive(Debug)]
pub struct Hosting;

/// The control plane's own kubectl, as Kind calls it.
const KUBECTL: [&str; 2] = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
/// The object.
const OBJECT: [&str; 3] = ["configmap", "local-registry-hosting", "--namespace=kube-public"];
/// The field of it, which the specification gives a version.
const FIELD: &str = "localRegistryHosting.v1";

impl Step for Hosting {
    fn name(&self) -> &'static str {
        "local-registry-hosting"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let heads = heads(site)?;
        let states = node::on_each(&heads, |head| state(site, head))?;
        Ok(heads.iter().zip(states).map(|(head, state)| finding(&head.cluster, state)).collect())
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        node::change_each(site, &heads(site)?, |head| match state(site, head)? {
            State::Missing => apply(site, head, None),
            State::Old(before) => apply(site, head, Some(before)),
            State::Right | State::Foreign(_) | State::Silent(_) => Ok(()),
        })
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let (all, heads) = (node::all(site)?, heads(site)?);
        for made in site.receipt.made() {
            let Made::Hosting { cluster, before } = &made else { continue };
            match heads.iter().find(|head| head.cluster == *cluster) {
                Some(head) => {
                    if let Err(error) = take_back(site, head, before.as_deref()) {
                        site.hand().say(format_args!(
                            "{cluster}: the ConfigMap local-registry-hosting stays: {error}"
                        ));
                        continue;
                    }
                }
                None if all.iter().any(|node| node.cluster == *cluster) => {
                    site.hand().say(format_args!(
                        "{cluster} stands still: the ConfigMap local-registry-hosting stays in it."
                    ));
                    continue;
                }
                None => {}
            }
            site.strike(&made)?;
        }
        Ok(())
    }
}

/// What a cluster says of its registry.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// What it should.
    Right,
    /// Nothing.
    Missing,
    /// Something of our registry: too little, or of before. What.
    Old(String),
    /// That it has another registry, which nobody told us to replace. Which.
    Foreign(String),
    /// Its API server does not answer. In whose words.
    Silent(String),
}

/// One running control plane of each cluster.
fn heads(site: &Site) -> Result<Vec<Node>, SetupError> {
    let mut heads = node::running(site)?;
    heads.retain(|node| node.role == Role::ControlPlane);
    heads.sort_by(|a, b| (&a.cluster, a.name()).cmp(&(&b.cluster, b.name())));
    heads.dedup_by(|a, b| a.cluster == b.cluster);
    Ok(heads)
}

fn finding(cluster: &str, state: State) -> Finding {
    const NAME: &str = "the ConfigMap local-registry-hosting";
    match state {
        State::Right => Finding::ok(cluster, "tells tools where the registry is"),
        State::Missing => {
            Finding::fault(cluster, format!("{NAME} is missing")).mended_by("write it")
        }
        State::Old(_) => Finding::fault(cluster, format!("{NAME} does not say all that it should"))
            .mended_by("write it anew"),
        State::Foreign(host) => {
            Finding::note(cluster, format!("{NAME} names another registry, {host}")).left_to_you(
                "delete it if that is wrong: `kubectl delete configmap local-registry-hosting \
                 --namespace kube-public`, then `wharf up`",
            )
        }
        State::Silent(words) => {
            let fix = format!(
                "run `wharf up` again when it does. One that does not come back after a reboot has to \
                 be made anew: `kind delete cluster --name {cluster} && wharf up --name {cluster}`; \
                 the registry keeps its images"
            );
            Finding::note(cluster, format!("its API server does not answer: {words}"))
                .left_to_you(fix)
        }
    }
}

fn state(site: &Site, head: &Node) -> Result<State, SetupError> {
    asked(site, head, is_noted(site, head))
}

/// Asks a control plane. What names another registry is an old one of ours where `is_ours`.
fn asked(site: &Site, head: &Node, is_ours: bool) -> Result<State, SetupError> {
    if head.is_planned() {
        return Ok(State::Missing);
    }
    let get = [&KUBECTL[..], &["get"], &OBJECT, &["--ignore-not-found", "-o", "json"]].concat();
    let said = match site.engine.look(head.name(), &get) {
        Ok(said) => said,
        Err(EngineError::Run(error)) => {
            return Ok(State::Silent(error.said()?.lines().last().unwrap_or_default().to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(judge(&said, &wanted(site), is_ours))
}

/// Whether we wrote it, by the receipt.
fn is_noted(site: &Site, head: &Node) -> bool {
    let is_it =
        |made: &Made| matches!(made, Made::Hosting { cluster, .. } if *cluster == head.cluster);
    site.receipt.made().iter().any(is_it)
}

/// Judges what `kubectl get -o json` says, which is nothing where there is nothing.
fn judge(said: &str, wanted: &str, is_ours: bool) -> State {
    #[derive(Default, Deserialize)]
    struct ConfigMap {
        #[serde(default)]
        data: std::collections::BTreeMap<String, String>,
    }
    if said.trim().is_empty() {
        return State::Missing;
    }
    let map: ConfigMap = serde_json::from_str(said).unwrap_or_default();
    let text = map.data.get(FIELD).cloned().unwrap_or_default();
    let fields = |text: &str| yaml_serde::from_str::<Mapping>(text).unwrap_or_default();
    let (stated, wanted) = (fields(&text), fields(wanted));
    match stated.get("host").and_then(|host| host.as_str()) {
        _ if stated == wanted => State::Right,
        Some(host) if !is_ours && stated.get("host") != wanted.get("host") => {
            State::Foreign(host.to_owned())
        }
        _ => State::Old(text),
    }
}

/// What a cluster is to say: where it is for the host, for containerd, and for pods.
fn wanted(site: &Site) -> String {
    let (host, pods) = (site.config.host_name(), site.config.pod_name());
    // Pods themselves know a Service by its name, and containerd knows it by hosts.toml.
    let within = in_cluster::service(site).unwrap_or_else(|| pods.clone());
    format!(
        "host: \"{host}\"\nhostFromContainerRuntime: \"{pods}\"\nhostFromClusterNetwork: \"{within}\"\n\
         help: \"push to {host}/NAME, and say {pods}/NAME in pods; `wharf doctor` checks it\"\n"
    )
}

/// The object with a text.
fn manifest(text: &str) -> String {
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: local-registry-hosting\n  \
         namespace: kube-public\ndata:\n  {FIELD}: |\n{indented}"
    )
}

fn apply(site: &Site, head: &Node, before: Option<String>) -> Result<(), SetupError> {
    if !is_noted(site, head) {
        site.note(Made::Hosting { cluster: head.cluster.clone(), before })?;
    }
    put(site, head, &wanted(site))
}

fn put(site: &Site, head: &Node, text: &str) -> Result<(), SetupError> {
    let words = [&KUBECTL[..], &["apply", "-f", "-"]].concat();
    Ok(site.engine.exec(head.name(), &words, manifest(text).as_bytes())?)
}

/// Puts back what was there, or deletes the object; one of another registry is not ours any more.
fn take_back(site: &Site, head: &Node, before: Option<&str>) -> Result<(), SetupError> {
    // Whoever wrote it first: what names another registry now was changed by somebody since.
    match asked(site, head, false)? {
        State::Missing => return Ok(()),
        State::Foreign(host) => {
            site.hand().say(format_args!(
                "{}: the ConfigMap local-registry-hosting stays: it names another registry, {host}.",
                head.cluster
            ));
            return Ok(());
        }
        State::Silent(words) => {
            return Err(SetupError::Broken {
                what: format!("its API server does not answer: {words}"),
                hint: "run `wharf down` again when it does".into(),
            });
        }
        State::Right | State::Old(_) => {}
    }
    match before {
        Some(before) => put(site, head, before),
        None => {
            let words = [&KUBECTL[..], &["delete"], &OBJECT, &["--ignore-not-found"]].concat();
            Ok(site.engine.exec(head.name(), &words, &[])?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    fn said(text: &str) -> String {
        serde_json::json!({ "kind": "ConfigMap", "data": { FIELD: text } }).to_string()
    }

    #[test]
    fn inside_the_cluster_pods_ask_the_service() {
        let (site, _) = site([]);
        assert!(wanted(&site).contains("hostFromClusterNetwork: \"kind-registry:5000\""));
        site.note(Made::InCluster { cluster: "dev".into() }).unwrap();
        let text = wanted(&site);
        assert!(text.contains("hostFromClusterNetwork: \"kind-registry.wharf:5000\""), "{text}");
        assert!(text.contains("hostFromContainerRuntime: \"kind-registry:5000\""), "{text}");
    }

    #[test]
    fn all_four_fields_are_written() {
        let (site, _) = site([]);
        let fields: Mapping = yaml_serde::from_str(&wanted(&site)).unwrap();
        let names: Vec<_> = fields.keys().filter_map(|name| name.as_str()).collect();
        assert_eq!(names, ["host", "hostFromContainerRuntime", "hostFromClusterNetwork", "help"]);
        assert_eq!(fields["host"], "localhost:5000");
        let object: yaml_serde::Value = yaml_serde::from_str(&manifest(&wanted(&site))).unwrap();
        assert_eq!(object["data"][FIELD], wanted(&site));
        assert_eq!(object["metadata"]["namespace"], "kube-public");
    }

    #[test]
    fn what_a_cluster_says_is_compared_by_its_meaning() {
        let (site, _) = site([]);
        let wanted = wanted(&site);
        let judged = |text: &str, is_ours| judge(&said(text), &wanted, is_ours);
        assert_eq!(judge("", &wanted, false), State::Missing);
        assert_eq!(judged(&wanted.replace('"', "'"), false), State::Right);
        let kinds = "host: \"localhost:5000\"\nhelp: \"https://kind.sigs.k8s.io\"\n";
        assert_eq!(judged(kinds, false), State::Old(kinds.into()));
        let other = wanted.replace("5000", "5001");
        assert_eq!(judged(&other, false), State::Foreign("localhost:5001".into()));
        assert_eq!(judged(&other, true), State::Old(other.clone()));
        assert_eq!(judged("no: [", false), State::Old("no: [".into()));
    }

    #[test]
    fn an_api_server_that_stays_away_is_told_with_the_way_out() {
        let refused = "The connection to the server dev-control-plane:6443 was refused";
        let (site, _) = site([("podman exec head kubectl", Err(refused.into()))]);
        let mut head = node::planned("dev", &[Role::ControlPlane]).remove(0);
        (head.container.name, head.container.id) = ("head".into(), "1".into());
        let found = finding("dev", state(&site, &head).unwrap());
        assert!(!found.is_fault() && found.words.contains(refused), "{found:?}");
        let fix = found.fix.unwrap();
        assert!(fix.contains("`kind delete cluster --name dev && wharf up --name dev`"), "{fix}");
    }

    #[test]
    fn what_somebody_changed_since_is_not_taken_back() {
        for (host, is_deleted) in [("localhost:5000", true), ("localhost:7000", false)] {
            let get = said(&format!("host: \"{host}\"\n"));
            let (site, recorded) = site([
                (
                    "podman exec head kubectl --kubeconfig=/etc/kubernetes/admin.conf get",
                    Ok(get.into()),
                ),
                (
                    "podman exec head kubectl --kubeconfig=/etc/kubernetes/admin.conf delete",
                    Ok(Vec::new()),
                ),
            ]);
            let mut head = node::planned("dev", &[Role::ControlPlane]).remove(0);
            (head.container.name, head.container.id) = ("head".into(), "1".into());
            site.note(Made::Hosting { cluster: "dev".into(), before: None }).unwrap();
            take_back(&site, &head, None).unwrap();
            let deleted = recorded.lines().iter().any(|line| line.contains(" delete "));
            assert_eq!(deleted, is_deleted, "{host}");
        }
    }
}
