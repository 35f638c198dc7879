//! The registry inside a cluster, in place of one in a container beside it: wharf's own image loaded into
//! the nodes, a Deployment with its claim, and a Service whose port every node has.
//!
//! A node finds it on its own port, by its own name: the loopback does not lead there with every mode of
//! kube-proxy. The host finds it by a port that leads into the control plane, which a cluster has from
//! its making or never.

mod deployment;
mod manifest;
mod own_image;
mod removal;

use super::config::{CLUSTER, Cluster, PORT};
use super::node::{self, Node, Role};
use super::receipt::Made;
use super::{Config, Finding, SetupError, Site, Step};
use super::{
    config_path, drop_in, hosting, hosts, image, kind, network, preflight, proxy, running,
};
use crate::failure::told;
use crate::load::{self, Goods, LoadError, each};
use deployment::{
    State, await_ready, finding, foreign, has_claim, has_namespace, kubectl, silent, state, wanted,
};

/// The port that every node has for it.
pub const NODE_PORT: u16 = 30500;
/// The namespace of its objects.
pub const NAMESPACE: &str = "wharf";

/// The objects, for a person to read and apply.
pub fn objects(config: &Config) -> String {
    manifest::text(config, None)
}

/// The cluster that has the registry in it, or is to have it.
pub fn cluster(site: &Site) -> Option<String> {
    site.receipt.made().into_iter().find_map(|made| match made {
        Made::InCluster { cluster } => Some(cluster),
        _ => None,
    })
}

/// Its name and port for pods' own programs: those of its Service; none if it is in no cluster.
pub fn service(site: &Site) -> Option<String> {
    cluster(site).map(|_| format!("{}.{NAMESPACE}:{PORT}", site.config.registry))
}

/// Decides which cluster is to have it, and notes that.
///
/// # Errors
/// The registry stands in a container already, or there is no telling which cluster is meant.
pub fn begin(site: &Site) -> Result<(), SetupError> {
    if cluster(site).is_some() {
        return Ok(());
    }
    if site.engine.container(&site.config.registry)?.is_some() {
        return Err(SetupError::InTheWay {
            what: format!("the registry stands already, in the container {}", site.config.registry),
            hint: "`wharf down` takes it away; its volume stays, and what is in it can be pushed again"
                .into(),
        });
    }
    let mut clusters: Vec<_> = node::all(site)?.into_iter().map(|node| node.cluster).collect();
    clusters.dedup();
    let cluster = match (&site.config.cluster, &clusters[..]) {
        (Cluster::Named(name, _), _) => name.clone(),
        (_, [only]) => only.clone(),
        (Cluster::Any(new), []) if new.config.is_none() => CLUSTER.to_owned(),
        (_, []) => return Err(unnamed("there is no cluster to put a registry into")),
        _ => return Err(unnamed("there are several clusters, and one of them gets the registry")),
    };
    site.note(Made::InCluster { cluster })
}

fn unnamed(what: &str) -> SetupError {
    SetupError::InTheWay { what: what.into(), hint: "name it: --name CLUSTER".into() }
}

/// Has the cluster that it is to be in made with a port of the host that leads to it, where that is made
/// by this run: also by one that goes on with what another began.
pub fn publish(site: &mut Site) {
    let Some(cluster) = cluster(site) else { return };
    let mapping = Some((site.config.port, NODE_PORT));
    match &mut site.config.cluster {
        Cluster::Named(name, new) if *name == cluster => new.port_mapping = mapping,
        Cluster::Any(new) => new.port_mapping = mapping,
        Cluster::Named(..) | Cluster::Existing => {}
    }
}

/// The port of the host that leads to it, if the cluster has one.
///
/// # Errors
/// The engine cannot be asked.
pub fn host_port(site: &Site) -> Result<Option<u16>, SetupError> {
    let Some(cluster) = cluster(site) else { return Ok(None) };
    let nodes = node::all(site)?.into_iter().filter(|node| node.cluster == cluster);
    let ports = nodes.flat_map(|node| node.container.publications(NODE_PORT).to_vec());
    Ok(ports.map(|publication| publication.port).next())
}

/// Whether it is in a cluster to which no port of the host leads: nothing can be pushed to it from here.
///
/// # Errors
/// The engine cannot be asked.
pub fn is_out_of_reach(site: &Site) -> Result<bool, SetupError> {
    Ok(cluster(site).is_some() && host_port(site)?.is_none())
}

/// Where a node finds it, as a URL; none if there is no registry in a cluster.
pub fn target(site: &Site, node: &Node) -> Option<String> {
    let cluster = cluster(site)?;
    // Nodes of other clusters share a network with it.
    let nearest = match node.cluster == cluster {
        true => node.name().to_owned(),
        false => format!("{cluster}-control-plane"),
    };
    Some(format!("http://{nearest}:{NODE_PORT}"))
}

/// The steps of a setup with the registry inside.
///
/// # Errors
/// The engine cannot be asked.
pub fn steps(site: &Site) -> Vec<Box<dyn Step>> {
    let mut steps: Vec<Box<dyn Step>> =
        vec![Box::new(preflight::TheEngine), Box::new(network::TheNetwork)];
    // An engine that cannot be asked is the first step's matter.
    if own_image::needs_engine(site).unwrap_or(false) {
        steps.push(Box::new(image::OwnImage::of_this_program()));
    }
    steps.push(Box::new(drop_in::DropIn));
    steps.push(Box::new(kind::TheCluster));
    steps.push(Box::new(running::RunningNodes));
    steps.push(Box::new(config_path::ConfigPath));
    steps.push(Box::new(proxy::NoProxy));
    steps.push(Box::new(InCluster));
    steps.push(Box::new(hosts::Hosts));
    steps.push(Box::new(hosting::Hosting));
    steps
}

/// The step.
#[derive(Debug)]
pub struct InCluster;

impl Step for InCluster {
    fn name(&self) -> &'static str {
        "in-cluster"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let Some(cluster) = cluster(site) else { return Ok(Vec::new()) };
        let nodes = running_of(site, &cluster)?;
        let goods = own_image::goods(site)?;
        let mut found: Vec<_> = lacking(site, &nodes, &goods)
            .into_iter()
            .map(|(node, lack)| match lack {
                Lack::Image => Finding::fault(node.name(), "does not have wharf's own image")
                    .mended_by("load it"),
                Lack::Unknown(words) => Finding::fault(node.name(), words)
                    .left_to_you("`wharf doctor` looks at the node"),
            })
            .collect();
        if let Some(head) = head(&nodes) {
            found.extend(finding(&cluster, state(site, head, &goods)?));
        }
        if host_port(site)?.is_none() && !nodes.is_empty() {
            found.push(unreachable_from_here(site, &cluster));
        }
        if found.is_empty() && !nodes.is_empty() {
            found.push(Finding::ok(cluster, "has the registry in it, which is ready"));
        }
        Ok(found)
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let Some(cluster) = cluster(site) else { return Ok(()) };
        let (nodes, goods) = (running_of(site, &cluster)?, own_image::goods(site)?);
        let Some(head) = head(&nodes) else { return bring_image(site, &nodes, &goods) };
        let found = state(site, head, &goods)?;
        match &found {
            State::Foreign(object) => return Err(foreign(&cluster, object)),
            State::Silent(words) => return Err(silent(&cluster, words)),
            _ => bring_image(site, &nodes, &goods)?,
        }
        match found {
            State::Right => return Ok(()),
            State::Waiting => {}
            _ => apply(site, head, &goods)?,
        }
        await_ready(site, head)
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        for made in site.receipt.made() {
            if removal::take_away(site, &made)? {
                site.strike(&made)?;
            }
        }
        Ok(())
    }
}

fn running_of(site: &Site, cluster: &str) -> Result<Vec<Node>, SetupError> {
    Ok(node::running(site)?.into_iter().filter(|node| node.cluster == cluster).collect())
}

fn head(nodes: &[Node]) -> Option<&Node> {
    nodes.iter().find(|node| node.role == Role::ControlPlane)
}

/// What a node lacks.
enum Lack {
    Image,
    Unknown(String),
}

/// The nodes without the image.
fn lacking<'a>(site: &Site, nodes: &'a [Node], goods: &Goods) -> Vec<(&'a Node, Lack)> {
    let stocks = load::look(&site.engine, nodes);
    let lack = |(node, stock): (&'a Node, Result<load::stock::Stock, LoadError>)| {
        let judged = stock.and_then(|stock| Ok(goods.piece(&stock.architecture)?.is_in(&stock)));
        match judged {
            Ok(true) => None,
            Ok(false) => Some((node, Lack::Image)),
            Err(error) => Some((node, Lack::Unknown(told(&error)))),
        }
    };
    nodes.iter().zip(stocks).filter_map(lack).collect()
}

/// Loads the image into every node that lacks it.
fn bring_image(site: &Site, nodes: &[Node], goods: &Goods) -> Result<(), SetupError> {
    for (node, lack) in lacking(site, nodes, goods) {
        if matches!(lack, Lack::Image) {
            site.note(Made::NodeImage {
                node: node.name().to_owned(),
                container: node.container.id.clone(),
                name: site.config.image.to_string(),
            })?;
        }
    }
    let works: Vec<_> = nodes.iter().zip(load::look(&site.engine, nodes)).collect();
    let goods = std::slice::from_ref(goods);
    let sent = each(&works, |(node, stock)| match stock {
        Ok(stock) => {
            load::send(&site.engine, node, goods, stock, &|_, _| {}).map_err(|error| told(&error))
        }
        Err(error) => Err(told(error)),
    });
    for ((node, _), sent) in works.iter().zip(sent) {
        sent.map_err(|words| SetupError::Broken {
            what: format!("{} does not take wharf's own image: {words}", node.name()),
            hint: "`wharf doctor` looks at the node".into(),
        })?;
    }
    Ok(())
}

/// Applies the objects, but for a claim that stands already.
fn apply(site: &Site, head: &Node, goods: &Goods) -> Result<(), SetupError> {
    let cluster = || head.cluster.clone();
    if !has_namespace(site, head)? {
        site.note(Made::Namespace { cluster: cluster() })?;
    }
    let has_claim = has_claim(site, head)?;
    if !has_claim {
        site.note(Made::Claim { cluster: cluster() })?;
    }
    let wanted = wanted(site, goods, has_claim);
    kubectl(site, head, &["apply", "-f", "-"], wanted.as_bytes())
}

/// That a cluster was made without a port for the host.
fn unreachable_from_here(site: &Site, cluster: &str) -> Finding {
    let (name, port) = (&site.config.registry, site.config.port);
    Finding::note(
        cluster,
        format!(
            "was made without a port for the registry in it: its nodes pull, and pushes from this \
             machine to localhost:{port} do not reach it"
        ),
    )
    .left_to_you(format!(
        "while you push: `kubectl --context kind-{cluster} --namespace {NAMESPACE} port-forward \
         service/{name} {port}:{PORT}`; or delete the cluster and let `wharf up --in-cluster` make it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::config::NewCluster;
    use crate::setup::site::tests::site;

    #[test]
    fn it_is_not_set_up_beside_a_container() {
        let container =
            r#"[{"Id":"1","Name":"kind-registry","State":{"Running":true},"Config":{}}]"#;
        let (site, _) = site([("podman container inspect", Ok(container.into()))]);
        let error = begin(&site).unwrap_err();
        assert!(matches!(error, SetupError::InTheWay { .. }), "{error}");
        assert!(error.hint().unwrap().contains("wharf down"));
        assert_eq!(cluster(&site), None);
    }

    #[test]
    fn the_cluster_is_named_or_the_only_one() {
        let none = || {
            [
                ("podman container inspect", Err("Error: no such container".to_owned())),
                ("podman ps", Ok(Vec::new())),
            ]
        };
        let (mut site_of, _) = site(none());
        site_of.config.cluster = Cluster::Any(NewCluster::default());
        begin(&site_of).unwrap();
        assert_eq!(cluster(&site_of).as_deref(), Some(CLUSTER));
        let (mut site_of, _) = site(none());
        site_of.config.cluster = Cluster::Named("dev".into(), NewCluster::default());
        begin(&site_of).unwrap();
        assert_eq!(cluster(&site_of).as_deref(), Some("dev"));
        let (site_of, _) = site(none());
        assert!(begin(&site_of).unwrap_err().hint().unwrap().contains("--name"));
    }

    #[test]
    fn a_run_that_goes_on_with_another_gives_the_cluster_its_port() {
        for (name, is_published) in [("dev", true), ("other", false)] {
            let (mut site, _) = site([]);
            site.config.cluster = Cluster::Named(name.into(), NewCluster::default());
            let without = site.config.cluster.clone();
            publish(&mut site);
            assert_eq!(site.config.cluster, without, "the registry is in no cluster");
            site.note(Made::InCluster { cluster: "dev".into() }).unwrap();
            publish(&mut site);
            assert_eq!(site.config.cluster != without, is_published, "{name}");
        }
    }
}
