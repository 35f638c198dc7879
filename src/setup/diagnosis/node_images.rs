//! Whether nodes still have an older image under a tag that has moved in the registry: pods whose pull
//! policy is `IfNotPresent` go on running that.

use std::collections::BTreeMap;

use wharf_oci::{Digest, ImageReference, Reference};

use super::holdings::Holdings;
use crate::setup::node::{self, Node, NodeImage};
use crate::setup::{Finding, SetupError, Site, Step, hosts};

/// The images of the nodes as a check.
#[derive(Debug)]
pub struct NodeImages;

impl Step for NodeImages {
    fn name(&self) -> &'static str {
        "node-images"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let nodes = node::running(site)?;
        let listed = node::on_each(&nodes, |node| Ok(node::images(site, node)))?;
        let holdings = Holdings::on(site.config.port).map_err(SetupError::Asking)?;
        let mut known = BTreeMap::new();
        let mut found = Vec::new();
        for (node, images) in nodes.iter().zip(&listed) {
            for (tag, has) in ours(site, images) {
                let now = known.entry(tag.clone()).or_insert_with(|| in_registry(&holdings, &tag));
                if now.is_some_and(|now| !has.contains(&now)) {
                    found.push(told(site, node, &tag));
                }
            }
        }
        if found.is_empty() && !nodes.is_empty() {
            found.push(Finding::ok("nodes", "none has an older image under a tag of the registry"));
        }
        Ok(found)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // the old one may be what is wanted
    }
}

/// The tags of our registry among images, each with the digests that the image has.
fn ours(site: &Site, images: &[NodeImage]) -> Vec<(String, Vec<Digest>)> {
    let names = hosts::names(site);
    let is_ours = |tag: &&String| {
        names
            .iter()
            .any(|name| tag.strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('/')))
    };
    let of = |image: &NodeImage| -> Vec<Digest> {
        let digests = image.repo_digests.iter().filter_map(|it| it.split_once('@'));
        digests.filter_map(|(_, digest)| digest.parse().ok()).collect()
    };
    let tagged = images.iter().flat_map(|image| {
        image.repo_tags.iter().filter(is_ours).map(move |tag| (tag.clone(), of(image)))
    });
    tagged.collect()
}

/// What a tag points at in the registry; nothing where it cannot be seen, or is no more.
fn in_registry(holdings: &Holdings, image: &str) -> Option<Digest> {
    let image: ImageReference = image.parse().ok()?;
    holdings.digest(&image.name, &Reference::Tag(image.tag?)).ok().flatten()
}

fn told(site: &Site, node: &Node, tag: &str) -> Finding {
    let (engine, name) = (site.engine.kind().program(), node.name());
    let words = format!("has an older {tag} than the registry: pods may go on running it");
    let fix = format!(
        "push under a new tag or name the digest in the pod; or `{engine} exec {name} crictl rmi {tag}`, \
         and start the pod anew"
    );
    Finding { fix: Some(fix), ..Finding::note(name, words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    #[test]
    fn only_what_came_from_the_registry_is_compared() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let list = format!(
            r#"{{"images":[
                {{"id":"1","repoTags":["kind-registry:5000/app:1"],"repoDigests":["kind-registry:5000/app@{digest}"]}},
                {{"id":"2","repoTags":["docker.io/library/app:1"],"repoDigests":[]}},
                {{"id":"3","repoTags":["kind-registry:50001/app:1"]}}]}}"#
        );
        let listed = node::images::listed(list.as_bytes());
        let (site, _) = site([]);
        let found = ours(&site, &listed);
        assert_eq!(found, [("kind-registry:5000/app:1".to_owned(), vec![digest.parse().unwrap()])]);
    }
}
