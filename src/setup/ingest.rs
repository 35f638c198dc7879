//! Whether the registry may see the engine's image store, to take images out of it, and where that is.
//!
//! Only Podman has a store that others can read, and only with the driver overlay. Its paths are those of
//! the machine that the engine runs in; nothing of them is opened here.

use super::Site;
use super::engine::{EngineError, Info, Kind};

/// The folders of the store that an image is made of. The whole store in one mount would bring what is
/// mounted below it along, writable, and the engine's secrets.
pub const FOLDERS: [&str; 3] = ["overlay", "overlay-images", "overlay-layers"];
/// Where the registry sees them.
pub const MOUNTED: &str = "/containers";

/// The store as the registry is to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingest {
    /// Where it lies in the engine's machine.
    pub graph_root: String,
}

impl Ingest {
    /// The store, if the registry shall see it, and can.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn wanted(site: &Site) -> Result<Option<Self>, EngineError> {
        if !site.config.ingest || site.engine.kind() != Kind::Podman {
            return Ok(None);
        }
        Ok(Self::of(site.engine.info()?))
    }

    fn of(info: Info) -> Option<Self> {
        let graph_root = info.graph_root.filter(|_| info.graph_driver == "overlay")?;
        Some(Self { graph_root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_overlay_store_is_seen() {
        let store = |driver: &str| Info {
            graph_root: Some("/store".into()),
            graph_driver: driver.into(),
            ..Info::default()
        };
        assert_eq!(Ingest::of(store("overlay")), Some(Ingest { graph_root: "/store".into() }));
        assert_eq!(Ingest::of(store("vfs")), None);
        let docker = Info { graph_driver: "overlay".into(), ..Info::default() };
        assert_eq!(Ingest::of(docker), None);
    }
}
