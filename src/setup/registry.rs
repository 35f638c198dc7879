//! The registry's container.

use super::config::PORT;
use super::engine::Container;
use super::{Finding, SetupError, Site, Step};

/// TheRegistry as a step.
#[derive(Debug)]
pub struct TheRegistry;

impl Step for TheRegistry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
        Ok(Vec::new())
    }

    fn apply(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}

/// The registry's container as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The container.
    pub container: Container,
    /// Whether we made it.
    pub is_ours: bool,
    /// Its port on the host, if it has one.
    pub port: Option<u16>,
    /// The volume with its store, if it is in one.
    pub volume: Option<String>,
    /// Whether it takes images out of the engine's store.
    pub ingest: bool,
}

impl Standing {
    /// Looks at it; none if there is no such container.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn read(site: &Site) -> Result<Option<Self>, SetupError> {
        let Some(container) = site.engine.container(&site.config.registry)? else {
            return Ok(None);
        };
        let mount = container.mount("/var/lib/registry");
        Ok(Some(Self {
            is_ours: container.label("wharf.setup").is_some(),
            port: container.publications(PORT).first().map(|published| published.port),
            volume: mount.map(|mount| mount.name.clone()).filter(|name| !name.is_empty()),
            ingest: container.variable("WHARF_SERVE_CONTAINERS_STORAGE").is_some(),
            container,
        }))
    }
}
