//! Whether the registry can list what it holds, and whether the nodes can run it.

use std::collections::BTreeSet;

use wharf_client::Error;
use wharf_oci::Reference;

use super::holdings::Holdings;
use super::question::mismatch;
use crate::failure::told;
use crate::setup::{Finding, SetupError, Site, Step, node};

/// The catalogue as a check.
#[derive(Debug)]
pub struct Catalog;

/// How many images are looked into.
const LOOKS_MAX: usize = 50;

impl Step for Catalog {
    fn name(&self) -> &'static str {
        "catalog"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let about = site.config.host_name();
        let holdings = Holdings::on(site.config.port).map_err(SetupError::Asking)?;
        let names = match holdings.repositories() {
            Ok(names) => names,
            Err(Error::Unreachable { .. } | Error::Interrupted { .. }) => {
                let words = "not looked at, as the registry does not answer on this machine";
                return Ok(vec![Finding::note(about, words)]);
            }
            Err(error) => {
                let words = format!("the registry cannot list its images: {}", told(&error));
                let (engine, registry) = (site.engine.kind().program(), &site.config.registry);
                let fix = format!("see its log: `{engine} logs {registry}`");
                return Ok(vec![Finding::fault(about, words).left_to_you(fix)]);
            }
        };
        let words = match names.len() {
            1 => "1 repository".to_owned(),
            count => format!("{count} repositories"),
        };
        let mut found = vec![Finding::ok(about, words)];
        let is_there = !node::running(site)?.is_empty();
        let nodes = if is_there { site.engine.info()?.architecture } else { String::new() };
        let tagged = names.iter().flat_map(|name| {
            let tags = holdings.tags(name).unwrap_or_default();
            tags.into_iter().map(move |tag| (name, tag))
        });
        let mut others = BTreeSet::new();
        for (name, tag) in tagged.take(if is_there { LOOKS_MAX } else { 0 }) {
            // One that goes meanwhile is no matter.
            let Ok(Some(held)) = holdings.image(name, &Reference::Tag(tag.clone())) else {
                continue;
            };
            let text = format!("{}/{name}:{tag}", site.config.pod_name());
            if let Some(words) = mismatch(&text, &held, &nodes) {
                others.insert((text, words));
            }
        }
        found.extend(others.into_iter().map(|(text, words)| Finding::note(text, words)));
        Ok(found)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // images are the user's
    }
}
