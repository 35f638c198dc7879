//! `Location`: where the store is and how it is laid out, from the same settings that Podman reads,
//! without asking Podman.

mod storage_conf;

use std::io;
use std::path::{Path, PathBuf};

use self::storage_conf::StorageConf;

/// The system's settings, the first that exists.
const SYSTEM_CONFS: [&str; 2] =
    ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];
const SYSTEM_ROOT: &str = "/var/lib/containers/storage";

/// What the command line knows: its flag, and values of the environment.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// `--storage-root`: beats every file, as `podman --root` does.
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
    /// The effective user id; 0 has the system's store, everyone else a store of their own. Below
    /// `podman unshare`, the user's id outside of it.
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
    /// Where images are put, if not there.
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
    /// A path in a storage.conf has a variable other than `$HOME` and `$UID`.
    #[error(
        "the path {path} in storage.conf has variables other than $HOME and $UID: say where the \
         store is with --storage-root"
    )]
    Variable {
        /// The path as it is written.
        path: String,
    },
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

impl Driver {
    /// The driver's name, with which its folders' names begin.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
        }
    }

    /// The folder of a layer's files, below the folder of the driver.
    pub(crate) fn files_of(self, layer: &str) -> String {
        match self {
            Self::Overlay => format!("{layer}/diff"),
            Self::Vfs => format!("dir/{layer}"),
        }
    }

    /// The driver whose images lie below `root`.
    fn at(root: &Path) -> Option<Self> {
        let lies_there = |driver: &Self| root.join(format!("{}-images", driver.name())).is_dir();
        [Self::Overlay, Self::Vfs].into_iter().find(lies_there)
    }

    fn named(name: &str) -> Result<Option<Self>, LocationError> {
        match name {
            "" => Ok(None),
            "overlay" | "overlay2" => Ok(Some(Self::Overlay)),
            "vfs" => Ok(Some(Self::Vfs)),
            driver => Err(LocationError::DriverUnsupported { driver: driver.to_owned() }),
        }
    }
}

impl Location {
    /// Where the store of this user is.
    ///
    /// # Errors
    /// [`LocationError`], if the settings cannot be read. Whether there is a store is not looked at.
    pub fn find(lookup: &Lookup) -> Result<Self, LocationError> {
        Self::find_below(lookup, &SYSTEM_CONFS.map(Path::new))
    }

    /// A store of which the folders `overlay`, `overlay-images` and `overlay-layers` (or those of vfs)
    /// can be seen below one path, as in a container that has them mounted.
    #[must_use]
    pub fn mounted(path: &Path) -> Self {
        Self {
            graph_root: path.to_path_buf(),
            driver: Driver::at(path).unwrap_or(Driver::Overlay),
            image_store: None,
            additional: Vec::new(),
        }
    }

    fn find_below(lookup: &Lookup, system: &[&Path]) -> Result<Self, LocationError> {
        let from_options = lookup.storage_opts.as_deref().map(storage_conf::additional_stores);
        if let Some(root) = &lookup.root {
            let additional = from_options.unwrap_or_default();
            return Ok(Self { additional, ..Self::mounted(root) });
        }
        let system = match &lookup.storage_conf {
            Some(path) => StorageConf::read(path)?,
            None => StorageConf::first_of(system)?.unwrap_or_default(),
        };
        let (own, root) = if lookup.uid == 0 {
            let root = system.storage.graphroot.clone().unwrap_or_else(|| SYSTEM_ROOT.to_owned());
            (system, lookup.expanded(&root)?)
        } else {
            let own = match &lookup.storage_conf {
                Some(_) => Some(system.clone()),
                None => StorageConf::first_of(&[&lookup.own_conf()?])?,
            };
            let root = lookup.own_root(own.as_ref(), &system)?;
            let own = own.unwrap_or_else(|| system.without_places());
            (own, root)
        };
        let configured = Driver::named(own.storage.driver.as_deref().unwrap_or_default())?;
        let storage = own.storage;
        Ok(Self {
            // What lies there decides: a store keeps the driver with which it began.
            driver: Driver::at(&root).or(configured).unwrap_or(Driver::Overlay),
            graph_root: root,
            image_store: storage.imagestore.map(|path| lookup.expanded(&path)).transpose()?,
            additional: match from_options {
                Some(stores) => stores,
                None => storage.options.additionalimagestores.iter().map(PathBuf::from).collect(),
            },
        })
    }
}

impl Lookup {
    /// The storage.conf of a user who is not root.
    fn own_conf(&self) -> Result<PathBuf, LocationError> {
        let folder = match &self.xdg_config_home {
            Some(folder) => folder.clone(),
            None => self.home()?.join(".config"),
        };
        Ok(folder.join("containers/storage.conf"))
    }

    /// The root of a user who is not root, from their own settings and the system's.
    fn own_root(
        &self,
        own: Option<&StorageConf>,
        system: &StorageConf,
    ) -> Result<PathBuf, LocationError> {
        let of_own = own.and_then(|conf| {
            conf.storage.graphroot.as_ref().or(conf.storage.rootless_storage_path.as_ref())
        });
        if let Some(root) = of_own.or(system.storage.rootless_storage_path.as_ref()) {
            return self.expanded(root);
        }
        let data = match &self.xdg_data_home {
            Some(folder) => folder.clone(),
            None => self.home()?.join(".local/share"),
        };
        Ok(data.join("containers/storage"))
    }

    fn home(&self) -> Result<&Path, LocationError> {
        self.home.as_deref().ok_or(LocationError::HomeUnknown)
    }

    /// `path` with its variables replaced.
    fn expanded(&self, path: &str) -> Result<PathBuf, LocationError> {
        let mut text = path.replace("${UID}", "$UID").replace("$UID", &self.uid.to_string());
        text = text.replace("${HOME}", "$HOME");
        if text.contains("$HOME") {
            text = text.replace("$HOME", &self.home()?.to_string_lossy());
        }
        match text.contains('$') {
            true => Err(LocationError::Variable { path: path.to_owned() }),
            false => Ok(PathBuf::from(text)),
        }
    }
}

#[cfg(test)]
mod tests;
