//! Settings in files and variables, and the store that they mean.

use std::fs;

use tempfile::TempDir;

use super::*;

struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            let path = machine.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn user(&self, uid: u32) -> Lookup {
        Lookup { home: Some(PathBuf::from("/home/anna")), uid, ..Lookup::default() }
    }

    fn find(&self, lookup: &Lookup) -> Result<Location, LocationError> {
        let paths = [self.path("etc/storage.conf"), self.path("usr/storage.conf")];
        Location::find_below(lookup, &[&paths[0], &paths[1]])
    }

    fn root(&self, lookup: &Lookup) -> PathBuf {
        self.find(lookup).unwrap().graph_root
    }
}

#[test]
fn without_settings_each_user_has_the_usual_place() {
    let machine = Machine::new(&[]);
    assert_eq!(machine.root(&machine.user(0)), Path::new(SYSTEM_ROOT));
    let anna = machine.user(1000);
    assert_eq!(machine.root(&anna), Path::new("/home/anna/.local/share/containers/storage"));
    let moved = Lookup { xdg_data_home: Some("/data".into()), ..anna };
    assert_eq!(machine.root(&moved), Path::new("/data/containers/storage"));
    let homeless = Lookup { uid: 1000, ..Lookup::default() };
    assert!(matches!(machine.find(&homeless), Err(LocationError::HomeUnknown)));
}

#[test]
fn the_first_of_the_systems_files_decides_for_root() {
    let machine = Machine::new(&[
        ("etc/storage.conf", "[storage]\ndriver = \"overlay\"\ngraphroot = \"/etc-root\""),
        ("usr/storage.conf", "[storage]\ngraphroot = \"/usr-root\""),
    ]);
    assert_eq!(machine.root(&machine.user(0)), Path::new("/etc-root"));
    fs::remove_file(machine.path("etc/storage.conf")).unwrap();
    assert_eq!(machine.root(&machine.user(0)), Path::new("/usr-root"));
}

#[test]
fn users_have_their_own_file_and_the_systems_path_for_them() {
    let machine = Machine::new(&[(
        "etc/storage.conf",
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"/system\"\n\
         rootless_storage_path = \"$HOME/stores/${UID}\"\n[storage.options]\n\
         additionalimagestores = [\"/shared\"]",
    )]);
    let anna = Lookup { xdg_config_home: Some(machine.path("config")), ..machine.user(1000) };
    let found = machine.find(&anna).unwrap();
    assert_eq!(found.graph_root, Path::new("/home/anna/stores/1000"));
    assert_eq!(found.driver, Driver::Vfs);
    assert!(found.additional.is_empty(), "the system's other places are not the user's");

    fs::create_dir_all(machine.path("config/containers")).unwrap();
    let own = "[storage]\ndriver = \"overlay2\"\ngraphroot = \"/own\"\nimagestore = \"/images\"\n\
               [storage.options]\nadditionalimagestores = [\"/a\", \"/b\"]\n\
               [storage.options.overlay]\nmountopt = \"nodev\"";
    fs::write(machine.path("config/containers/storage.conf"), own).unwrap();
    let expected = Location {
        graph_root: "/own".into(),
        driver: Driver::Overlay,
        image_store: Some("/images".into()),
        additional: vec!["/a".into(), "/b".into()],
    };
    assert_eq!(machine.find(&anna).unwrap(), expected);
    // Variables beat files, and a flag beats both.
    let options = Some("overlay.mountopt=nodev,overlay.imagestore=/c".to_owned());
    let with_options = Lookup { storage_opts: options, ..anna };
    assert_eq!(machine.find(&with_options).unwrap().additional, [Path::new("/c")]);
    let flagged = Lookup { root: Some("/flag".into()), ..with_options };
    let found = machine.find(&flagged).unwrap();
    assert_eq!((found.graph_root, found.image_store), ("/flag".into(), None));
    assert_eq!(found.additional, [Path::new("/c")]);
}

#[test]
fn a_named_file_is_the_only_one() {
    let machine = Machine::new(&[
        ("etc/storage.conf", "[storage]\ngraphroot = \"/etc-root\""),
        ("named.conf", "[storage]\ngraphroot = \"/named/$UID\""),
    ]);
    for uid in [0, 1000] {
        let named = Lookup { storage_conf: Some(machine.path("named.conf")), ..machine.user(uid) };
        assert_eq!(machine.root(&named), Path::new("/named").join(uid.to_string()));
    }
    let missing = Lookup { storage_conf: Some(machine.path("none.conf")), ..machine.user(0) };
    assert!(matches!(machine.find(&missing), Err(LocationError::Read { .. })));
}

#[test]
fn what_lies_there_beats_what_is_written() {
    let machine = Machine::new(&[("store/vfs-images/images.json", "[]")]);
    let conf = format!("[storage]\ndriver=\"overlay\"\ngraphroot={:?}", machine.path("store"));
    fs::create_dir_all(machine.path("etc")).unwrap();
    fs::write(machine.path("etc/storage.conf"), conf).unwrap();
    assert_eq!(machine.find(&machine.user(0)).unwrap().driver, Driver::Vfs);
    assert_eq!(Location::mounted(&machine.path("store")).driver, Driver::Vfs);
}

#[test]
fn what_cannot_be_understood_is_said() {
    let table = [
        ("[storage", "not a valid storage.conf"),
        ("[storage]\ngraphroot = 3", "not a valid storage.conf"),
        ("[storage]\ndriver = \"btrfs\"", "btrfs"),
        ("[storage]\ngraphroot = \"/x/$USER\"", "/x/$USER"),
    ];
    for (text, said) in table {
        let machine = Machine::new(&[("etc/storage.conf", text)]);
        let error = machine.find(&machine.user(0)).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}
