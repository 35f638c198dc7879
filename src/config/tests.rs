//! Which place outdoes which, and what a wrong setting is answered with.

use std::fs;

use super::*;

/// A settings file that is gone when the test ends.
struct Settings(PathBuf);

impl Settings {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("wharf-settings-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

fn flags(flags: &[(&str, &str)]) -> CommandLine {
    let written = |(name, text): &(&str, &str)| {
        let setting = table::find(name).unwrap();
        let origin = Origin::Flag(setting.name);
        Written { setting, texts: vec![text.to_string()], origin }
    };
    CommandLine { flags: flags.iter().map(written).collect(), ..CommandLine::default() }
}

/// The error of settings that stand in a file, with the file's name as `FILE`.
fn error_of_file(name: &str, text: &str) -> String {
    let settings = Settings::new(name, text);
    let machine =
        Machine { settings_file: settings.0.clone(), ..Machine::with(&[("HOME", "/home/a")]) };
    let error = join(CommandLine::default(), &machine).unwrap_err().to_string();
    error.replace(settings.0.to_str().unwrap(), "FILE")
}

#[test]
fn each_place_outdoes_those_before_it() {
    let settings = Settings::new("places", "root = '/file'\nlisten = ['127.0.0.1:3']\n");
    let layers: [(&str, &str, &str); 4] = [
        ("WHARF_IMAGE_ROOT", "/image", "/image"),
        ("", "", "/file"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/registry-2", "/registry-2"),
        ("WHARF_SERVE_ROOT", "/variable", "/variable"),
    ];
    let mut machine = Machine::with(&[("HOME", "/home/a")]);
    for (variable, text, root) in layers {
        if variable.is_empty() {
            machine.settings_file = settings.0.clone();
        } else {
            machine.variables.insert(variable.to_owned(), text.to_owned());
        }
        let joined = join(CommandLine::default(), &machine).unwrap();
        assert_eq!(joined.serve.registry.root, PathBuf::from(root));
    }
    let joined = join(flags(&[("root", "/flag")]), &machine).unwrap();
    assert_eq!(joined.serve.registry.root, PathBuf::from("/flag"));
    assert_eq!(joined.serve.registry.listen, ["127.0.0.1:3".parse().unwrap()]);
    let origins: Vec<String> = joined
        .taken
        .iter()
        .map(|(name, text, origin)| format!("{name}={text} ({origin})"))
        .collect();
    let file = format!("listen=127.0.0.1:3 ({} line 2)", settings.0.display());
    assert_eq!(origins, ["root=/flag (--root)".to_owned(), file]);
}

#[test]
fn without_settings_the_registry_is_for_this_machine_alone() {
    for (ipv6, listen) in
        [(true, vec!["127.0.0.1:5000", "[::1]:5000"]), (false, vec!["127.0.0.1:5000"])]
    {
        let machine = Machine { ipv6, ..Machine::with(&[("HOME", "/home/a")]) };
        let joined = join(CommandLine::default(), &machine).unwrap();
        let addresses: Vec<String> =
            joined.serve.registry.listen.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, listen);
        assert_eq!(joined.serve.registry.root, machine.data_folder().unwrap());
        assert!(joined.taken.is_empty());
    }
}

#[test]
fn the_container_listens_everywhere_unless_a_variable_says_otherwise() {
    let image = [("WHARF_IMAGE_ROOT", "/var/lib/registry"), ("WHARF_IMAGE_LISTEN", ":5000")];
    let machine = Machine { ipv6: true, ..Machine::with(&image) };
    let joined = join(CommandLine::default(), &machine).unwrap();
    assert_eq!(joined.serve.registry.listen, ["[::]:5000".parse().unwrap()]);
    assert_eq!(joined.serve.registry.root, PathBuf::from("/var/lib/registry"));

    let moved = [&image[..], &[("REGISTRY_HTTP_ADDR", "0.0.0.0:80")]].concat();
    let joined = join(CommandLine::default(), &Machine::with(&moved)).unwrap();
    assert_eq!(joined.serve.registry.listen, ["0.0.0.0:80".parse().unwrap()]);
}

#[test]
fn a_wrong_value_is_named_with_its_place_even_where_another_outdoes_it() {
    let machine = Machine::with(&[("WHARF_SERVE_CACHE_SIZE_MAX", "8 apples")]);
    let wrong = join(flags(&[("cache-size-max", "8MiB")]), &machine).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "cannot use \"8 apples\" as cache-size-max (from WHARF_SERVE_CACHE_SIZE_MAX): \
         it must be a size such as 8MiB, 512k or 1048576"
    );
    let wrong = join(flags(&[("log-level", "loud")]), &Machine::default()).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "cannot use \"loud\" as log-level (from --log-level): \
         it must be error, warn, info, debug or trace"
    );
}

#[test]
fn a_file_is_answered_with_its_line() {
    for (name, text, error) in [
        (
            "size",
            "read-only = true\n\nmanifest-size-max = \"much\"\n",
            "cannot use \"much\" as manifest-size-max (from FILE line 3): it must be a size such as \
          8MiB, 512k or 1048576",
        ),
        (
            "key",
            "# mine\nreadonly = true\n",
            "cannot use the key \"readonly\" (from FILE line 2): there is no such setting",
        ),
        (
            "table",
            "[log]\nlevel = 'debug'\n",
            "cannot use the key \"log\" (from FILE line 1): there is no such setting",
        ),
        (
            "kind",
            "root = [\"/a\"]\n",
            "cannot use \"a TOML array\" as root (from FILE line 1): it must be one value",
        ),
        (
            "list",
            "listen = [[1]]\n",
            "cannot use \"a TOML array\" as listen (from FILE line 1): it must be a list of texts",
        ),
        (
            "broken",
            "root = '/a'\nlisten = \n",
            "cannot read the settings in FILE line 2: string values must be quoted, expected literal \
          string",
        ),
    ] {
        assert_eq!(error_of_file(name, text), error);
    }
}

#[test]
fn values_of_the_file_may_be_of_toml_s_own_kinds() {
    let text = "read-only = true\nconnections-max = 7\nfree-space-min = 1048576\n\
                listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\nadmin-listen = \"127.0.0.1:3\"\n\
                header = [\"X-A: b\", \"X-C: d, e\"]\nname = \"a.example\"\n";
    let settings = Settings::new("kinds", text);
    let line = CommandLine { file: Some(settings.0.clone()), ..flags(&[("root", "/r")]) };
    let registry = join(line, &Machine::default()).unwrap().serve.registry;
    assert!(registry.read_only);
    assert_eq!(registry.limits.connections_max, 7);
    assert_eq!(registry.free_bytes_min, 1 << 20);
    assert_eq!(registry.listen.len(), 2);
    assert_eq!(registry.http.headers.len(), 2);
    assert_eq!(registry.http.names, ["a.example"]);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let missing = PathBuf::from("/no/such/serve.toml");
    let line = CommandLine { file: Some(missing.clone()), ..CommandLine::default() };
    let by_variable = Machine::with(&[("WHARF_SERVE_CONFIG", "/no/such/serve.toml")]);
    for (line, machine) in [(line, Machine::default()), (CommandLine::default(), by_variable)] {
        let error = join(line, &machine).unwrap_err();
        assert!(matches!(&error, Error::ReadFile { path, .. } if *path == missing), "{error}");
    }
}

#[test]
fn a_misspelt_variable_of_wharf_is_refused() {
    let machine = Machine::with(&[("WHARF_SERVE_READONLY", "true")]);
    let error = join(CommandLine::default(), &machine).unwrap_err();
    let Error::UnknownVariable { name, nearest } = error else { panic!("{error}") };
    assert_eq!(name, "WHARF_SERVE_READONLY");
    assert_eq!(nearest.as_deref(), Some("WHARF_SERVE_READ_ONLY"));
}

#[test]
fn settings_that_belong_together_are_settled_together() {
    let line = flags(&[
        ("root", "/r"),
        ("page-entries-max", "50"),
        ("public-url", "https://Registry.example:5000/x"),
    ]);
    let registry = join(line, &Machine::default()).unwrap().serve.registry;
    assert_eq!(registry.catalog_page, 50);
    assert!(registry.http.names.contains(&"registry.example".to_owned()));

    let error = join(CommandLine::default(), &Machine::default()).unwrap_err();
    assert!(matches!(error, Error::NoDataFolder), "{error}");
    let error = join(flags(&[("root", "/r"), ("listen", "none")]), &Machine::default());
    assert!(matches!(error, Err(Error::NoAddress)), "{error:?}");
}
