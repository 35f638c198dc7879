//! containerd's configuration file with `config_path` set and the settings from before it removed;
//! everything else, comments and order too, stays as it was. Pure.

use toml_edit::{DocumentMut, Item, Table, TableLike, TomlError, value};

use super::registries::PLUGINS;

/// The text with `config_path` set to `path`.
pub(super) fn mended(file: &str, path: &str) -> Result<String, TomlError> {
    let mut document: DocumentMut = file.parse()?;
    let version = document.get("version").and_then(Item::as_integer).unwrap_or(1);
    let plugin = match version {
        3.. => PLUGINS[0],
        2 => PLUGINS[1],
        _ => PLUGINS[2],
    };
    let root: &mut dyn TableLike = document.as_table_mut();
    if let Some(registry) =
        child(root, "plugins").and_then(|it| child(it, plugin)).and_then(|it| child(it, "registry"))
    {
        match registry.get_mut("config_path") {
            Some(stated) => *stated = value(path),
            None => _ = registry.insert("config_path", value(path)),
        }
    }
    for plugin in PLUGINS {
        let registry = present(document.as_table_mut(), "plugins")
            .and_then(|it| present(it, plugin))
            .and_then(|it| present(it, "registry"));
        if let Some(registry) = registry {
            registry.remove("mirrors");
            strip_tls(registry);
        }
    }
    Ok(document.to_string())
}

/// Removes settings of TLS, and leaves logins, which go together with `config_path`.
fn strip_tls(registry: &mut dyn TableLike) {
    let Some(configs) = present(registry, "configs") else { return };
    let hosts: Vec<_> = configs.iter().map(|(host, _)| host.to_owned()).collect();
    for host in hosts {
        let Some(settings) = present(configs, &host) else { continue };
        settings.remove("tls");
        if settings.is_empty() {
            configs.remove(&host);
        }
    }
    if configs.is_empty() {
        registry.remove("configs");
    }
}

/// The table of a name, made where it is missing; nothing where something else has the name.
fn child<'a>(parent: &'a mut dyn TableLike, name: &str) -> Option<&'a mut dyn TableLike> {
    let absent = || {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    };
    parent.entry(name).or_insert_with(absent).as_table_like_mut()
}

/// The table of a name, if it is there.
fn present<'a>(parent: &'a mut dyn TableLike, name: &str) -> Option<&'a mut dyn TableLike> {
    parent.get_mut(name)?.as_table_like_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::config_path::registries::Registries;
    use crate::setup::node::inside::CERTS_D;

    const KINDS: &str = r#"# explicitly use v2 config format
version = 2

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"  # as it is
  discard_unpacked_layers = true
"#;

    fn mend(file: &str) -> String {
        mended(file, CERTS_D).unwrap()
    }

    #[test]
    fn the_rest_of_the_file_stays_as_it_was() {
        let mended = mend(KINDS);
        let Some(added) = mended.strip_prefix(KINDS) else { panic!("{mended}") };
        assert_eq!(
            added.trim(),
            "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n\
             config_path = \"/etc/containerd/certs.d\""
        );
        assert_eq!(mend(&mended), mended);
    }

    #[test]
    fn each_version_has_its_own_place() {
        for (version, plugin) in
            [("version = 3", PLUGINS[0]), ("version = 2", PLUGINS[1]), ("", PLUGINS[2])]
        {
            let table: toml::Table = mend(&format!("{version}\n")).parse().unwrap();
            assert_eq!(table["plugins"][plugin]["registry"]["config_path"].as_str(), Some(CERTS_D));
        }
    }

    #[test]
    fn settings_from_before_go_and_logins_stay() {
        let file = format!(
            "{KINDS}{}",
            r#"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/elsewhere" # said a person
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
endpoint = ["http://mirror"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."a".tls]
insecure_skip_verify = true
[plugins."io.containerd.grpc.v1.cri".registry.configs."b".tls]
insecure_skip_verify = true
[plugins."io.containerd.grpc.v1.cri".registry.configs."b".auth]
username = "me"
"#
        );
        let mended = mend(&file);
        let registries = Registries::parse(&mended).unwrap();
        assert_eq!(registries.faults(), []);
        assert!(mended.contains("username = \"me\""));
        for gone in ["mirror", "tls", "configs.\"a\"", "elsewhere"] {
            assert!(!mended.contains(gone), "{gone}\n{mended}");
        }
    }

    #[test]
    fn inline_tables_are_tables_too() {
        let file = "version = 2\nplugins = { \"io.containerd.grpc.v1.cri\" = { registry = { \
                    mirrors = { a = { endpoint = [\"http://m\"] } } } } }\n";
        assert_eq!(Registries::parse(&mend(file)).unwrap().faults(), []);
    }
}
