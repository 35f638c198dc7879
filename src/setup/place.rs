//! Where on this machine the setup keeps and puts its files. Read from the environment once.

use std::env;
use std::path::PathBuf;

/// Files and folders of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub config: PathBuf,
    /// `$XDG_STATE_HOME`, or `~/.local/state`.
    pub state: PathBuf,
    /// Whether this is root, whose engine has its files below `/etc` and `/var`.
    pub is_root: bool,
}

impl Places {
    /// Reads them; none without a home folder.
    pub fn read() -> Option<Self> {
        let folder = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let below_home = |path| home.as_ref().map(|home| home.join(path));
        Some(Self {
            config: folder("XDG_CONFIG_HOME").or_else(|| below_home(".config"))?,
            state: folder("XDG_STATE_HOME").or_else(|| below_home(".local/state"))?,
            is_root: rustix::process::geteuid().is_root(),
        })
    }

    /// The secret that lets `wharf push` ask for ingest.
    pub fn ingest_secret(&self) -> PathBuf {
        self.config.join("wharf/ingest-secret")
    }

    /// What the setup of a registry made.
    pub fn receipt(&self, registry: &str) -> PathBuf {
        self.state.join(format!("wharf/setup-{registry}.json"))
    }

    /// The registries that were set up besides that one, by their receipts.
    pub fn other_receipts(&self, registry: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.state.join("wharf")).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let registries = names.filter_map(|name| {
            Some(name.strip_prefix("setup-")?.strip_suffix(".json")?.to_owned())
        });
        registries.filter(|other| other != registry).collect()
    }
}
