//! `Location`: where the store is and how it is laid out, from the same settings that Podman reads,
//! without asking Podman.

use std::io;
use std::path::{Path, PathBuf};

/// What the command line knows: its flag, and values of the environment.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// `--storage-root`: beats every file.
    pub root: Option<PathBuf>,
    /// `CONTAINERS_STORAGE_CONF`.
    pub storage_conf: Option<PathBuf>,
    /// `STORAGE_OPTS`.
    pub storage_opts: Option<String>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// The effective user id; 0 has the system's store, everyone else a store of their own.
    pub uid: u32,
}

/// How layers lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Driver {
    /// Each layer has its own files; the kernel lays them over each other.
    Overlay,
    /// Each layer has a full copy of everything below it.
    Vfs,
}

/// A store's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The folder that holds everything.
    pub graph_root: PathBuf,
    /// How its layers lie.
    pub driver: Driver,
    /// Where images are, if not there.
    pub image_store: Option<PathBuf>,
    /// Further stores with images, only ever read.
    pub additional: Vec<PathBuf>,
}

/// Why a store's place cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Nobody said where the user's home folder is.
    #[error("the home folder is unknown: set HOME, or say where the store is with --storage-root")]
    HomeUnknown,
    /// A storage.conf cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A storage.conf is not what it should be.
    #[error("{} is not a valid storage.conf", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The store is of a kind that this crate does not read.
    #[error(
        "the store uses the driver `{driver}`; only overlay and vfs are read in place. Podman itself \
         can give its images (`podman save`)"
    )]
    DriverUnsupported {
        /// What storage.conf says.
        driver: String,
    },
}

impl Location {
    /// Where the store of this user is.
    ///
    /// # Errors
    /// [`LocationError`], if the settings cannot be read. Whether there is a store is not looked at.
    pub fn find(lookup: &Lookup) -> Result<Self, LocationError> {
        let home = lookup.home.as_ref().ok_or(LocationError::HomeUnknown)?;
        Ok(Self::mounted(home))
    }

    /// A store of which the folders `overlay`, `overlay-images` and `overlay-layers` can be seen below
    /// one path, as in a container that has them mounted.
    #[must_use]
    pub fn mounted(path: &Path) -> Self {
        Self {
            graph_root: path.to_path_buf(),
            driver: Driver::Overlay,
            image_store: None,
            additional: Vec::new(),
        }
    }
}
