//! What the settings need to know of the machine: its variables, whether it has IPv6, where its
//! files are. Read once, and made up in tests.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};

/// The machine as the settings see it.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The variables of the environment. Bytes that are no text are replaced by U+FFFD.
    pub variables: BTreeMap<String, String>,
    /// Whether loopback has IPv6.
    pub ipv6: bool,
    /// The settings file that is read if it is there.
    pub settings_file: PathBuf,
}

impl Machine {
    /// This machine.
    pub fn read() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            variables: std::env::vars_os().map(|(name, text)| (lossy(name), lossy(text))).collect(),
            ipv6: TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok(),
            settings_file: PathBuf::from("/etc/wharf/serve.toml"),
        }
    }

    /// A machine with these variables and nothing else.
    #[cfg(test)]
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, text)| (name.to_string(), text.to_string()));
        Self { variables: variables.collect(), ..Self::default() }
    }

    /// A variable that is set to something. An empty one counts as not set, as compose files write
    /// them.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
    }

    /// Where a registry without a root keeps its store: in the user's data folder.
    pub fn data_folder(&self) -> Option<PathBuf> {
        let absolute = |path: &str| Path::new(path).is_absolute().then(|| PathBuf::from(path));
        let home = self.variable("HOME").and_then(absolute);
        let folder = if cfg!(target_os = "macos") {
            home?.join("Library/Application Support")
        } else {
            let named = self.variable("XDG_DATA_HOME").and_then(absolute);
            named.or_else(|| Some(home?.join(".local/share")))?
        };
        Some(folder.join("wharf/registry"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn the_store_lies_in_the_data_folder() {
        for (variables, folder) in [
            (&[("HOME", "/home/a")][..], Some("/home/a/.local/share/wharf/registry")),
            (&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")], Some("/data/wharf/registry")),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "data")], Some("/h/.local/share/wharf/registry")),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "")], Some("/h/.local/share/wharf/registry")),
            (&[], None),
        ] {
            let machine = Machine::with(variables);
            assert_eq!(machine.data_folder(), folder.map(PathBuf::from), "{variables:?}");
        }
    }
}
