//! The flags that all subcommands of the setup have, and the site that they mean.

use std::sync::Arc;

use crate::process::{Machine, Runner};
use crate::report::Report;
use crate::setup::config::{Cluster, NETWORK, PORT, REGISTRY, Removal, VOLUME};
use crate::setup::engine::Kind;
use crate::setup::hand::Manner;
use crate::setup::place::Places;
use crate::setup::receipt::{Made, Receipt};
use crate::setup::registry;
use crate::setup::site::kind_of_engine;
use crate::setup::turn::Turn;
use crate::setup::{Config, SetupError, Site, in_cluster};

/// The image that wharf is in its container.
const IMAGE: &str = "localhost/wharf";

/// Which setup is meant, and how much of it is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct SetupArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Show each command that changes something
    #[arg(long, short)]
    verbose: bool,
}

/// Which setup is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct WhichArgs {
    /// The registry's container, which is its name for pods, too
    #[arg(long, value_name = "NAME", env = "WHARF_REGISTRY_NAME", default_value = REGISTRY, value_parser = name)]
    registry_name: String,

    /// The network of Kind's nodes
    /// [default: as Kind has it from `KIND_EXPERIMENTAL_PODMAN_NETWORK`, or with Docker from
    /// `KIND_EXPERIMENTAL_DOCKER_NETWORK`, else kind]
    #[arg(long, value_name = "NAME", value_parser = name)]
    network: Option<String>,
}

/// The network that Kind would use with an engine: by its variables, of which an empty one says nothing.
fn network_of(kind: Option<Kind>, variable: impl Fn(&str) -> Option<String>) -> String {
    let named = match kind {
        Some(Kind::Docker) => variable("KIND_EXPERIMENTAL_DOCKER_NETWORK"),
        _ => variable("KIND_EXPERIMENTAL_PODMAN_NETWORK"),
    };
    named.filter(|it| !it.is_empty()).unwrap_or_else(|| NETWORK.to_owned())
}

/// A name that an engine takes for a container, and that is a host name, too.
fn name(text: &str) -> Result<String, String> {
    let is_word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    let is_end = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let is_name = text.len() <= 63
        && text.chars().all(is_word)
        && text.starts_with(is_end)
        && text.ends_with(is_end);
    match is_name {
        true => Ok(text.to_owned()),
        false => Err("a name has lower case letters, digits and hyphens, at most 63".into()),
    }
}

impl SetupArgs {
    /// What stands, as it stands: nothing is wanted beyond it.
    pub fn config(&self) -> Config {
        self.which.config()
    }

    /// Whether everything is to be shown.
    pub const fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// The turn of a run that changes something, to be taken before [`Self::site`] reads what stands; it
    /// waits until other runs have ended.
    pub fn turn(&self, report: &Report) -> Option<Turn> {
        Places::read().map(|places| Turn::take(&places, report))
    }

    /// The site, changed in a manner; the registry's port is the one that it has or had, if that is known.
    ///
    /// # Errors
    /// There is no engine, no home folder, or no telling what was set up.
    pub fn site(&self, config: Config, dry: bool, report: &Report) -> Result<Site, SetupError> {
        let runner: Arc<dyn Runner> = Arc::new(Machine);
        let manner = match (dry, self.verbose) {
            (true, _) => Manner::Dry,
            (false, true) => Manner::Verbose,
            (false, false) => Manner::Quiet,
        };
        let mut site = Site::of_this_machine(config, runner, manner, *report)?;
        // An engine that does not answer is the first step's matter.
        let standing = registry::Standing::read(&site).unwrap_or_default();
        let port = standing.and_then(|it| it.port).or_else(|| last_port(&site.receipt));
        site.config.port = port.unwrap_or(site.config.port);
        if let Ok(Some(port)) = in_cluster::host_port(&site) {
            site.config.port = port;
        }
        Ok(site)
    }
}

impl WhichArgs {
    /// What stands, as it stands: nothing is wanted beyond it.
    fn config(&self) -> Config {
        let volume = match self.registry_name.as_str() {
            REGISTRY => VOLUME.to_owned(),
            other => format!("{other}-data"),
        };
        let tag = env!("CARGO_PKG_VERSION").replace('+', "-");
        Config {
            registry: self.registry_name.clone(),
            volume,
            network: self
                .network
                .clone()
                .unwrap_or_else(|| network_of(kind_of_engine(), |name| std::env::var(name).ok())),
            port: PORT,
            image: own_image(&tag),
            cluster: Cluster::Existing,
            ingest: true,
            drop_in: false,
            autostart: false,
            replace_registry: false,
            removal: Removal::default(),
        }
    }
}

impl From<WhichArgs> for SetupArgs {
    /// For what changes nothing, and has nothing to show.
    fn from(which: WhichArgs) -> Self {
        Self { which, verbose: false }
    }
}

/// The registry that was set up, by what is written down of it alone: its port on this machine, and its
/// name for pods. Of several the one of the usual name, or of the name that the environment has.
pub fn set_up() -> Option<(u16, String)> {
    let stated = std::env::var("WHARF_REGISTRY_NAME").ok();
    let registry = stated.filter(|it| name(it).is_ok()).unwrap_or_else(|| REGISTRY.to_owned());
    let receipt = Receipt::read(Places::read()?.receipt(&registry)).ok()?;
    Some((last_port(&receipt)?, format!("{registry}:{PORT}")))
}

/// The port that the registry had, or else the one that nodes were told of when they were wired.
fn last_port(receipt: &Receipt) -> Option<u16> {
    receipt.made().iter().find_map(|made| match made {
        Made::Port { port } => Some(*port),
        Made::Hosts { host, .. } => {
            let port = host.strip_prefix("localhost:")?.parse().ok();
            port.filter(|port| *port != in_cluster::NODE_PORT)
        }
        _ => None,
    })
}

#[expect(clippy::expect_used, reason = "a constant name, and a version that is a tag")]
fn own_image(tag: &str) -> wharf_oci::ImageReference {
    format!("{IMAGE}:{tag}").parse().expect("the name of wharf's image is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_the_one_that_kind_uses_with_the_engine() {
        let variable = |name: &str| match name {
            "KIND_EXPERIMENTAL_PODMAN_NETWORK" => Some("pods".to_owned()),
            "KIND_EXPERIMENTAL_DOCKER_NETWORK" => Some("dock".to_owned()),
            _ => None,
        };
        assert_eq!(network_of(Some(Kind::Podman), variable), "pods");
        assert_eq!(network_of(Some(Kind::Docker), variable), "dock");
        assert_eq!(network_of(Some(Kind::Docker), |_| Some(String::new())), NETWORK);
        assert_eq!(network_of(None, |_| None), NETWORK);
    }

    #[test]
    fn a_name_is_a_host_name_too() {
        assert!(name("kind-registry").is_ok());
        for bad in ["", "Kind", "a.b", "-a", "a-", "a b", "a:5000", &"a".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(own_image("1.0.0").tag.is_some());
    }
}
