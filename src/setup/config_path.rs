//! containerd's `config_path` on every node, without which hosts.toml is never read; and the end of the
//! settings from before it, with which containerd takes neither.
//!
//! What those said goes on as hosts.toml files. `undo` puts the configuration back as it was.

mod edit;
mod registries;

use super::hosts;
use super::node::inside::{CERTS_D, CONFIG_FILE};
use super::node::{self, Inside, Node, containerd, keeping};
use super::{Finding, SetupError, Site, Step};
use registries::{Fault, Registries};

/// The step.
#[derive(Debug)]
pub struct ConfigPath;

impl Step for ConfigPath {
    fn name(&self) -> &'static str {
        "config-path"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let looked = node::look_into_each(site, |node| Ok(Inside::read(site, node)?))?;
        let found = looked.seen.iter().flat_map(|(node, inside)| findings(node.name(), inside));
        let faults: Vec<_> = found.chain(looked.faults).collect();
        Ok(match looked.seen.len() {
            _ if !faults.is_empty() => faults,
            0 => Vec::new(),
            count => vec![Finding::ok(
                "config_path",
                format!("containerd reads hosts.toml on {}", node::count(count)),
            )],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        node::change_each(site, &node::running(site)?, |node| mend(site, node))
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        keeping::put_back(site, CONFIG_FILE, |node| containerd::restart(site, node))
    }
}

/// What keeps a node from reading hosts.toml.
fn findings(node: &str, inside: &Inside) -> Vec<Finding> {
    let fault = |words: String| Finding::fault(node, words);
    let registries = match understood(inside) {
        Ok((registries, _)) => registries,
        Err(words) => {
            return vec![fault(words).left_to_you(format!("look at {CONFIG_FILE} on {node}"))];
        }
    };
    // What an imported file says is not ours to change: it may be another program's.
    let own = Registries::parse(&inside.config_file).unwrap_or_default();
    let is_imported =
        |name: &String| !own.mirrors.contains_key(name) && !own.tls.contains_key(name);
    let words = |it: &Fault| match it {
        Fault::Elsewhere(roots) if roots.is_empty() => {
            fault("containerd's config_path is not set: hosts.toml is never read".into())
                .mended_by(format!("set it to {CERTS_D} and start containerd anew"))
        }
        Fault::Elsewhere(roots) => {
            fault(format!("containerd's config_path is {}: ours is never read", roots.join(":")))
                .mended_by(format!("put {CERTS_D} before it and start containerd anew"))
        }
        Fault::List(roots) => fault(format!(
            "containerd's config_path is {}, and with its transfer service it reads no list",
            roots.join(":")
        ))
        .mended_by(format!("set it to {CERTS_D} alone and start containerd anew")),
        Fault::Leftover(names) => {
            let fault = fault(format!(
                "containerd's configuration has mirrors or TLS for {}, which do not go together with \
                 config_path",
                names.join(", ")
            ));
            match names.iter().any(is_imported) {
                true => fault.left_to_you(format!(
                    "remove them from the files that {CONFIG_FILE} imports, and write hosts.toml files \
                     for them"
                )),
                false => fault
                    .mended_by("turn them into hosts.toml files and start containerd anew"),
            }
        }
    };
    let mut found: Vec<_> = registries.faults().iter().map(words).collect();
    if found.is_empty() && inside.is_config_unread {
        found.push(
            fault("containerd was not started since its configuration changed".into())
                .mended_by("start containerd anew"),
        );
    }
    found
}

/// What containerd has for its settings, and the file as it should be.
fn understood(inside: &Inside) -> Result<(Registries, String), String> {
    if inside.config.is_empty() {
        return Err(format!(
            "containerd cannot read its configuration: {}",
            inside.config_error.lines().last().unwrap_or("it says nothing")
        ));
    }
    let unread = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        format!("containerd's configuration is no TOML: {}", error.lines().next().unwrap_or(""))
    };
    let registries = Registries::parse(&inside.config).map_err(|error| unread(&error))?;
    let mended = edit::mended(&inside.config_file, &registries.wanted_path())
        .map_err(|error| unread(&error))?;
    Ok((registries, mended))
}

/// Has a node read hosts.toml.
fn mend(site: &Site, node: &Node) -> Result<(), SetupError> {
    let inside = Inside::read(site, node)?;
    let Ok((registries, mended)) = understood(&inside) else { return Ok(()) };
    if registries.faults().is_empty() {
        return if inside.is_config_unread { containerd::restart(site, node) } else { Ok(()) };
    }
    let ours = hosts::names(site);
    for (host, text) in registries.converted() {
        // Ours come with the step of hosts.toml, and what someone wrote since goes before.
        if !ours.contains(&host) && !inside.hosts.contains_key(&host) {
            hosts::write(site, node, &host, &text, false)?;
        }
    }
    keeping::write(site, node, CONFIG_FILE, Some(&inside.config_file), &mended)?;
    containerd::restart(site, node).inspect_err(|_| {
        // Better a node that does not find the registry than one that does not work at all.
        _ = keeping::revert(site, node, CONFIG_FILE).and_then(|()| containerd::restart(site, node));
    })
}
