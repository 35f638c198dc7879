//! What is found inside a node, all of it in one look: starting a program in a container takes a tenth
//! of a second, and there are many questions. Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Node;
use crate::process::RunError;
use crate::setup::Site;
use crate::setup::engine::EngineError;

/// The folder of containerd's hosts.toml files.
pub const CERTS_D: &str = "/etc/containerd/certs.d";
/// containerd's configuration.
pub const CONFIG_FILE: &str = "/etc/containerd/config.toml";

/// A node from inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// The folders of `/etc/containerd/certs.d`, by name, whatever is in them.
    pub folders: BTreeSet<String>,
    /// The text of each `/etc/containerd/certs.d/HOST/hosts.toml`, by the folder's name.
    pub hosts: BTreeMap<String, String>,
    /// Other files in those folders, as `HOST/ca.crt`.
    pub certificates: Vec<String>,
    /// What `containerd config dump` says; empty if it fails.
    pub config: String,
    /// Why it fails, in containerd's words; empty if it does not.
    pub config_error: String,
    /// The file `/etc/containerd/config.toml`.
    pub config_file: String,
    /// Whether that file changed after containerd was started, which knows the one before.
    pub is_config_unread: bool,
    /// containerd's version, as `1.6.20`.
    pub containerd_version: String,
    /// The environment of the running containerd; empty if it does not run.
    pub environment: BTreeMap<String, String>,
    /// Whether containerd runs.
    pub is_containerd_running: bool,
}

/// Prints a line for each thing found: its kind, its name and its contents, these two in Base64, so
/// that nothing in them can be taken for something else. It changes nothing.
const SCRIPT: &str = r#"
tell() {
    printf '%s %s ' "$1" "$(printf %s "$2" | base64 -w0)"
    head -c 262144 | base64 -w0
    echo
}
config=/etc/containerd/config.toml
if cd /etc/containerd/certs.d 2>/dev/null; then
    for folder in *; do
        [ -d "$folder" ] || continue
        tell folder "$folder" </dev/null
        for file in "$folder"/*; do
            [ ! -f "$file" ] || tell file "$file" <"$file"
        done
    done
fi
[ ! -f $config ] || tell config-file '' <$config
dump=$(containerd config dump 2>/dev/null)
printf %s "$dump" | tell config ''
[ -n "$dump" ] || containerd config dump 2>&1 >/dev/null | tail -n 1 | tell config-error ''
containerd --version | tell version ''
process=$(pgrep -x -o containerd) && tell environment '' <"/proc/$process/environ"
[ ! $config -nt /run/containerd/containerd.sock ] || tell config-unread '' </dev/null
tell end '' </dev/null
"#;

impl Inside {
    /// Looks into a running node.
    ///
    /// # Errors
    /// Nothing can be started in it.
    pub fn read(site: &Site, node: &Node) -> Result<Self, EngineError> {
        if node.is_planned() {
            return Ok(Self::fresh());
        }
        let printed = site.engine.look(node.name(), &["sh", "-c", SCRIPT])?;
        Self::parse(&printed).ok_or_else(|| {
            let program = format!("{} exec {}", site.engine.kind().program(), node.name());
            EngineError::Run(RunError::Failed { program, words: "its answer is cut off".into() })
        })
    }

    /// A node that was just made as we have Kind make it.
    fn fresh() -> Self {
        let config = format!(
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{CERTS_D}\"\n"
        );
        Self { config_file: config.clone(), config, is_containerd_running: true, ..Self::default() }
    }

    /// Reads what [`SCRIPT`] prints; nothing if it did not come to its end.
    fn parse(printed: &str) -> Option<Self> {
        let mut inside = Self::default();
        for line in printed.lines() {
            let mut words = line.splitn(3, ' ');
            let (kind, name, content) = (words.next()?, text(words.next()?)?, words.next()?);
            let content = text(content)?;
            match kind {
                "folder" => _ = inside.folders.insert(name),
                "file" => inside.keep_file(name, content),
                "config-file" => inside.config_file = content,
                "config" => inside.config = content,
                "config-error" => inside.config_error = content.trim().to_owned(),
                "config-unread" => inside.is_config_unread = true,
                "version" => inside.containerd_version = version(&content),
                "environment" => {
                    inside.is_containerd_running = true;
                    inside.environment = environment(&content);
                }
                "end" => return Some(inside),
                _ => {}
            }
        }
        None
    }

    fn keep_file(&mut self, path: String, content: String) {
        match path.strip_suffix("/hosts.toml") {
            Some(folder) => _ = self.hosts.insert(folder.to_owned(), content),
            None => self.certificates.push(path),
        }
    }

    /// Whether containerd is at least of a version.
    pub fn is_containerd(&self, least: (u32, u32)) -> bool {
        let mut numbers = self.containerd_version.split('.').map(|it| it.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= least
    }
}

fn text(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `1.6.20` of `containerd github.com/containerd/containerd 1.6.20~ds1 …`, `2.1.1` of `… v2.1.1 …`.
fn version(line: &str) -> String {
    let word = line.split_whitespace().nth(2).unwrap_or_default().trim_start_matches('v');
    word.chars().take_while(|it| it.is_ascii_digit() || *it == '.').collect()
}

fn environment(variables: &str) -> BTreeMap<String, String> {
    let pairs = variables.split('\0').filter_map(|variable| variable.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, name: &str, content: &str) -> String {
        format!("{kind} {} {}\n", STANDARD.encode(name), STANDARD.encode(content))
    }

    #[test]
    fn everything_that_is_told_has_its_place() {
        let host = "kind-registry:5000";
        let hosts = "server = \"x\"\nend\n";
        let printed = [
            line("folder", host, ""),
            line("folder", "a b_default", ""),
            line("file", "kind-registry:5000/hosts.toml", hosts),
            line("file", "kind-registry:5000/ca.crt", "PEM"),
            line("config-file", "", "version = 2"),
            line("config", "", "version = 2\n[plugins]"),
            line("config-error", "", "is told where there is no dump\n"),
            line("version", "", "containerd github.com/containerd/containerd/v2 v2.1.1 cb10\n"),
            line("environment", "", "A=1\0NO_PROXY=a,b=c\0"),
            line("config-unread", "", ""),
            line("end", "", ""),
        ];
        let inside = Inside::parse(&printed.concat()).unwrap();
        assert_eq!(inside.folders, BTreeSet::from(["a b_default".into(), host.into()]));
        assert_eq!(inside.hosts, BTreeMap::from([(host.into(), hosts.into())]));
        assert_eq!(inside.certificates, ["kind-registry:5000/ca.crt"]);
        assert_eq!(inside.config, "version = 2\n[plugins]");
        assert_eq!(inside.config_error, "is told where there is no dump");
        assert_eq!(inside.containerd_version, "2.1.1");
        assert_eq!(inside.environment["NO_PROXY"], "a,b=c");
        assert!(inside.is_containerd_running && inside.is_config_unread);
        assert!(inside.is_containerd((2, 1)) && !inside.is_containerd((2, 2)));
        assert_eq!(Inside::parse(&printed[..3].concat()), None);
    }

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        for (printed, read) in [
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1", "1.6.20"),
            ("containerd containerd.io v1.7.24 88bf19b2105c8b17560993bee28a01ddc2f97182", "1.7.24"),
            ("", ""),
        ] {
            assert_eq!(version(printed), read);
        }
    }
}
