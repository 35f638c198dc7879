//! What the receipt says of a registry inside a cluster, taken away again: its objects, and wharf's own
//! image on the nodes. Data and images go only where that is asked for, or with their cluster.

use super::deployment::{IN_NAMESPACE, Object, claim, kubectl, own};
use super::{NAMESPACE, head, running_of};
use crate::setup::node::{self, Node, images};
use crate::setup::receipt::Made;
use crate::setup::{SetupError, Site};

/// Takes away what an entry says, if it is to go. Whether there is nothing left of it that is ours.
///
/// # Errors
/// The engine or the API server cannot be asked, or refuses.
pub(super) fn take_away(site: &Site, made: &Made) -> Result<bool, SetupError> {
    match made {
        Made::InCluster { cluster } => {
            let objects = [own(site, "deployment"), own(site, "service")];
            delete(site, cluster, |head| ours(site, head, &objects))
        }
        Made::Claim { cluster } if is_data_to_go(site, cluster) => {
            delete(site, cluster, |_| Ok(vec![claim(site)]))
        }
        // Its own goes last, and only if nobody had it before.
        Made::Namespace { cluster } if is_data_to_go(site, cluster) => {
            delete(site, cluster, |_| Ok(vec![format!("namespace/{NAMESPACE}")]))
        }
        Made::NodeImage { node, container, name } => remove_image(site, node, container, name),
        _ => Ok(false),
    }
}

fn is_data_to_go(site: &Site, cluster: &str) -> bool {
    site.config.removal.data || goes(site, cluster)
}

/// Whether the cluster itself is to go, with all that is in it.
fn goes(site: &Site, cluster: &str) -> bool {
    site.config.removal.clusters && site.receipt.has(&Made::Cluster { name: cluster.to_owned() })
}

/// Deletes objects of a cluster, unless that stands still. Whether none of them is left.
fn delete(
    site: &Site,
    cluster: &str,
    objects: impl Fn(&Node) -> Result<Vec<String>, SetupError>,
) -> Result<bool, SetupError> {
    if goes(site, cluster) {
        return Ok(true);
    }
    let Some(head) = head(&running_of(site, cluster)?).cloned() else {
        let stands_still = node::all(site)?.iter().any(|node| node.cluster == cluster);
        if stands_still {
            site.hand().say(format_args!("{cluster} stands still: its registry stays in it."));
        }
        return Ok(!stands_still);
    };
    let objects = objects(&head)?;
    if !objects.is_empty() {
        let mut words = vec!["delete"];
        words.extend(objects.iter().map(String::as_str));
        words.extend([IN_NAMESPACE, "--ignore-not-found"]);
        kubectl(site, &head, &words, &[])?;
    }
    Ok(true)
}

/// Those of some objects that are there, and that some wharf made.
fn ours(site: &Site, head: &Node, objects: &[String]) -> Result<Vec<String>, SetupError> {
    let mut ours = Vec::new();
    for object in objects {
        match Object::read(site, head, object)? {
            Some(found) if found.is_ours() => ours.push(object.clone()),
            Some(_) => site.hand().say(format_args!(
                "{}: the {object} in {NAMESPACE} stays: wharf did not make it.",
                head.cluster
            )),
            None => {}
        }
    }
    Ok(ours)
}

/// Removes wharf's own image from a node, where that is asked for. Whether the node has it no more: it may
/// be gone, or another one of its name.
fn remove_image(site: &Site, node: &str, container: &str, image: &str) -> Result<bool, SetupError> {
    let Some(found) = node::find(site, node)?.filter(|it| it.container.id == container) else {
        return Ok(true);
    };
    if !site.config.removal.image {
        return Ok(false);
    }
    if !found.container.is_running {
        site.hand().say(format_args!("{node} stands still: wharf's own image stays in it."));
        return Ok(false);
    }
    if images(site, &found).iter().any(|it| it.repo_tags.iter().any(|tag| tag == image)) {
        images::remove(site, &found, image)?;
    }
    Ok(true)
}
