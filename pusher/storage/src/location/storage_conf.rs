//! `StorageConf`: those settings of containers-storage.conf(5) that say where images are. All others
//! are read over.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::LocationError;

/// Longest file that is read.
const CONF_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct StorageConf {
    #[serde(default)]
    pub(super) storage: Storage,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Storage {
    pub(super) driver: Option<String>,
    pub(super) graphroot: Option<String>,
    pub(super) rootless_storage_path: Option<String>,
    pub(super) imagestore: Option<String>,
    #[serde(default)]
    pub(super) options: Options,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    pub(super) additionalimagestores: Vec<String>,
}

impl StorageConf {
    /// The settings in `path`, which must exist.
    pub(super) fn read(path: &Path) -> Result<Self, LocationError> {
        let failed = |source| LocationError::Read { path: path.to_path_buf(), source };
        let mut text = String::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(CONF_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        let mut conf: Self = toml::from_str(&text).map_err(|source| LocationError::Malformed {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        for place in [
            &mut conf.storage.graphroot,
            &mut conf.storage.rootless_storage_path,
            &mut conf.storage.imagestore,
        ] {
            // Empty is Go's word for absent.
            place.take_if(|path| path.is_empty());
        }
        Ok(conf)
    }

    /// The settings in the first of `paths` that exists.
    pub(super) fn first_of(paths: &[&Path]) -> Result<Option<Self>, LocationError> {
        for path in paths {
            match Self::read(path) {
                Err(LocationError::Read { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                conf => return conf.map(Some),
            }
        }
        Ok(None)
    }

    /// What the system's settings say to a user who has none of their own: the driver, and no place.
    pub(super) fn without_places(&self) -> Self {
        let storage = Storage { driver: self.storage.driver.clone(), ..Storage::default() };
        Self { storage }
    }
}

/// The additional image stores in `STORAGE_OPTS`: `overlay.imagestore=/path`, joined by commas.
pub(super) fn additional_stores(options: &str) -> Vec<PathBuf> {
    let stores = options.split(',').filter_map(|option| {
        let (key, value) = option.split_once('=')?;
        let key = key.trim().rsplit('.').next()?.to_ascii_lowercase();
        let is_store = key == "imagestore" || key == "additionalimagestore";
        (is_store && !value.is_empty()).then(|| PathBuf::from(value.trim()))
    });
    stores.collect()
}
