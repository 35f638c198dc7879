//! What containerd's configuration says about registries, wherever a version of containerd has it.
//! Pure: read from the text of `containerd config dump`, which has defaults and imports worked in.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::setup::node::inside::CERTS_D;
use crate::setup::receipt::is_folder;

/// The places of the CRI's settings, by the version of the configuration: 3 and later, 2, and 1.
pub(super) const PLUGINS: [&str; 3] =
    ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri", "cri"];

/// Settings about registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Registries {
    /// The folders in which hosts.toml is looked for, in this order.
    pub(super) roots: Vec<String>,
    /// Places to pull from, by the registry's name; from before there was hosts.toml.
    pub(super) mirrors: BTreeMap<String, Vec<String>>,
    /// Settings of TLS by the host of a place, from then too.
    pub(super) tls: BTreeMap<String, Tls>,
    /// Whether images are pulled by containerd's transfer service, which takes one folder alone.
    pub(super) is_transferred: bool,
}

/// How a host is asked by TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) skip_verify: bool,
    pub(super) ca: Option<String>,
    pub(super) client: Option<(String, String)>,
}

/// What keeps hosts.toml from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No folder is looked into, or not ours. Which ones are.
    Elsewhere(Vec<String>),
    /// A list, where one folder alone is understood.
    List(Vec<String>),
    /// Mirrors, or settings of TLS, from before: both together are refused. Of which names.
    Leftover(Vec<String>),
}

impl Registries {
    /// Reads a dump.
    pub(super) fn parse(dump: &str) -> Result<Self, toml::de::Error> {
        let table: Table = dump.parse()?;
        let plugins = table.get("plugins").and_then(Value::as_table);
        let plugin = |name: &&str| plugins?.get(*name)?.as_table();
        // A dump of containerd 2 has both, and the registries under the first alone.
        let mut all = PLUGINS.iter().filter_map(plugin);
        let Some(plugin) = all.find(|it| it.contains_key("registry")) else {
            return Ok(Self::default());
        };
        let flag = |name: &str| plugin.get(name).and_then(Value::as_bool);
        let registry = plugin.get("registry").and_then(Value::as_table);
        let part = |name: &str| registry.and_then(|it| it.get(name));
        Ok(Self {
            roots: part("config_path").and_then(Value::as_str).map(roots).unwrap_or_default(),
            mirrors: tables(part("mirrors")).map(|(name, it)| (name, endpoints(it))).collect(),
            tls: tables(part("configs"))
                .filter_map(|(name, it)| Some((name, Tls::of(it.get("tls")?.as_table()?)?)))
                .collect(),
            // Containerd itself falls back to its older way where layers are to be discarded.
            is_transferred: flag("use_local_image_pull") == Some(false)
                && flag("discard_unpacked_layers") != Some(true),
        })
    }

    /// What is wrong with them.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.roots.iter().any(|root| root == CERTS_D) {
            faults.push(Fault::Elsewhere(self.roots.clone()));
        } else if self.is_transferred && self.roots.len() > 1 {
            faults.push(Fault::List(self.roots.clone()));
        }
        let names: Vec<_> = self.mirrors.keys().chain(self.tls.keys()).cloned().collect();
        if !names.is_empty() {
            faults.push(Fault::Leftover(names));
        }
        faults
    }

    /// What `config_path` has to be: ours first, and what was there besides where that is understood.
    pub(super) fn wanted_path(&self) -> String {
        if self.is_transferred {
            return CERTS_D.to_owned();
        }
        let others = self.roots.iter().map(String::as_str).filter(|root| *root != CERTS_D);
        match self.roots.iter().any(|root| root == CERTS_D) {
            true => self.roots.join(":"),
            false => [CERTS_D].into_iter().chain(others).collect::<Vec<_>>().join(":"),
        }
    }

    /// hosts.toml of each name that the settings from before are about: it does the same.
    pub(super) fn converted(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for (name, endpoints) in &self.mirrors {
            let hosts: String = endpoints.iter().map(|it| self.host(it)).collect();
            files.insert(folder(name), format!("{}{hosts}", server(name)));
        }
        for name in self.tls.keys().filter(|name| !self.is_of_mirror(name)) {
            let host = self.host(&format!("https://{name}"));
            files.insert(folder(name), format!("{}{host}", server(name)));
        }
        // containerd asks for hosts alone: a mirror of a name with a path was never asked.
        files.retain(|folder, _| is_folder(folder));
        files
    }

    /// Whether settings of TLS are those of a mirror's place, and not of a registry by itself.
    fn is_of_mirror(&self, name: &str) -> bool {
        self.mirrors.contains_key(name)
            || self.mirrors.values().flatten().any(|place| authority(place) == name)
    }

    fn host(&self, endpoint: &str) -> String {
        let mut text =
            format!("\n[host.{}]\n  capabilities = [\"pull\", \"resolve\"]\n", quoted(endpoint));
        let tls = self.tls.get(authority(endpoint)).filter(|_| !endpoint.starts_with("http://"));
        if let Some(tls) = tls {
            if tls.skip_verify {
                text.push_str("  skip_verify = true\n");
            }
            if let Some(ca) = &tls.ca {
                text.push_str(&format!("  ca = {}\n", quoted(ca)));
            }
            if let Some((certificate, key)) = &tls.client {
                let (certificate, key) = (quoted(certificate), quoted(key));
                text.push_str(&format!("  client = [[{certificate}, {key}]]\n"));
            }
        }
        text
    }
}

impl Tls {
    /// Nothing of an empty table, which a dump has for each host with a login.
    fn of(table: &Table) -> Option<Self> {
        let text = |name: &str| {
            let value = table.get(name).and_then(Value::as_str)?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let tls = Self {
            skip_verify: table.get("insecure_skip_verify").and_then(Value::as_bool) == Some(true),
            ca: text("ca_file"),
            client: text("cert_file").zip(text("key_file")),
        };
        (tls != Self::default()).then_some(tls)
    }
}

fn roots(path: &str) -> Vec<String> {
    path.split(':').filter(|it| !it.is_empty()).map(|it| it.trim_end_matches('/').into()).collect()
}

fn tables(value: Option<&Value>) -> impl Iterator<Item = (String, &Table)> {
    let tables = value.and_then(Value::as_table).into_iter().flatten();
    tables.filter_map(|(name, value)| Some((name.clone(), value.as_table()?)))
}

fn endpoints(mirror: &Table) -> Vec<String> {
    let list = mirror.get("endpoint").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// The folder of a registry's hosts.toml.
fn folder(name: &str) -> String {
    if name == "*" { "_default".to_owned() } else { name.to_owned() }
}

/// The line of the registry itself, which is asked when no mirror has an image.
fn server(name: &str) -> String {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    match (name, host) {
        ("*", _) => String::new(),
        ("docker.io", _) => "server = \"https://registry-1.docker.io\"\n".into(),
        (_, "localhost" | "127.0.0.1" | "[::1]") => {
            format!("server = {}\n", quoted(&format!("http://{name}")))
        }
        _ => format!("server = {}\n", quoted(&format!("https://{name}"))),
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of containerd 1.6.20, shortened to what counts.
    const V1_6: &str = r#"
version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    discard_unpacked_layers = true
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
      [plugins."io.containerd.grpc.v1.cri".registry.auths]
      [plugins."io.containerd.grpc.v1.cri".registry.configs]
        [plugins."io.containerd.grpc.v1.cri".registry.configs."a:1"]
          [plugins."io.containerd.grpc.v1.cri".registry.configs."a:1".auth]
            username = "me"
          [plugins."io.containerd.grpc.v1.cri".registry.configs."a:1".tls]
            ca_file = ""
            insecure_skip_verify = false
      [plugins."io.containerd.grpc.v1.cri".registry.headers]
      [plugins."io.containerd.grpc.v1.cri".registry.mirrors]
"#;

    /// Of containerd 2.1.1, shortened likewise. The transfer service has a `config_path` of its own.
    const V2_1: &str = r#"
version = 3
[plugins]
  [plugins.'io.containerd.cri.v1.images']
    discard_unpacked_layers = true
    use_local_image_pull = false
    [plugins.'io.containerd.cri.v1.images'.registry]
      config_path = ''
  [plugins.'io.containerd.grpc.v1.cri']
    disable_tcp_service = true
  [plugins.'io.containerd.transfer.v1.local']
    config_path = '/etc/containerd/certs.d'
"#;

    fn of(dump: &str) -> Registries {
        Registries::parse(dump).unwrap()
    }

    fn with_path(path: &str, more: &str) -> Registries {
        let dump = V2_1.replace("path = ''", &format!("path = '{path}'"));
        of(&dump.replace("    use_local", &format!("    {more}\n    use_local")))
    }

    #[test]
    fn a_login_is_no_leftover_and_an_empty_table_neither() {
        assert_eq!(of(V1_6).faults(), []);
        assert_eq!(of(V1_6).wanted_path(), CERTS_D);
    }

    #[test]
    fn the_path_of_another_plugin_does_not_count() {
        assert_eq!(of(V2_1).faults(), [Fault::Elsewhere(Vec::new())]);
        assert_eq!(of(V2_1).wanted_path(), CERTS_D);
        assert_eq!(of("version = 2\n").faults(), [Fault::Elsewhere(Vec::new())]);
    }

    #[test]
    fn a_list_counts_where_it_is_understood() {
        let list = "/etc/containerd/certs.d:/etc/docker/certs.d";
        assert_eq!(with_path(list, "").faults(), []);
        let other = with_path("/etc/docker/certs.d", "");
        assert_eq!(other.faults(), [Fault::Elsewhere(vec!["/etc/docker/certs.d".into()])]);
        assert_eq!(other.wanted_path(), list);
        let transferred = of(&V2_1
            .replace("discard_unpacked_layers = true", "")
            .replace("''", &format!("'{list}'")));
        assert!(matches!(&transferred.faults()[..], [Fault::List(_)]));
        assert_eq!(transferred.wanted_path(), CERTS_D);
    }

    #[test]
    fn settings_from_before_become_files_that_do_the_same() {
        let registries = of(r#"
version = 2
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
endpoint = ["https://mirror.example:5000", "http://cache:80"]
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."*"]
endpoint = ["http://cache:80"]
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."ghcr.io/me/../../app"]
endpoint = ["http://cache:80"]
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."localhost:5000"]
endpoint = ["http://kind-registry:5000"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."mirror.example:5000".tls]
ca_file = "/a b/ca.crt"
[plugins."io.containerd.grpc.v1.cri".registry.configs."alone:1".tls]
insecure_skip_verify = true
cert_file = "c"
key_file = "k"
"#);
        let names = [
            "*",
            "docker.io",
            "ghcr.io/me/../../app",
            "localhost:5000",
            "alone:1",
            "mirror.example:5000",
        ];
        let faults = registries.faults();
        assert_eq!(faults[1], Fault::Leftover(names.map(str::to_owned).into()));
        let files = registries.converted();
        let expected = [
            (
                "_default",
                "\n[host.\"http://cache:80\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
            ),
            (
                "alone:1",
                "server = \"https://alone:1\"\n\n[host.\"https://alone:1\"]\n  \
                 capabilities = [\"pull\", \"resolve\"]\n  skip_verify = true\n  \
                 client = [[\"c\", \"k\"]]\n",
            ),
            (
                "docker.io",
                "server = \"https://registry-1.docker.io\"\n\n\
                 [host.\"https://mirror.example:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
                 ca = \"/a b/ca.crt\"\n\n[host.\"http://cache:80\"]\n  \
                 capabilities = [\"pull\", \"resolve\"]\n",
            ),
            (
                "localhost:5000",
                "server = \"http://localhost:5000\"\n\n[host.\"http://kind-registry:5000\"]\n  \
                 capabilities = [\"pull\", \"resolve\"]\n",
            ),
        ];
        assert_eq!(files, expected.map(|(name, text)| (name.into(), text.into())).into());
        for text in files.values() {
            text.parse::<Table>().unwrap();
        }
    }
}
