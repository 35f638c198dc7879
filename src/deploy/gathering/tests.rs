//! Which files are copied, under which names, and what is left out or refused.

use std::os::unix::fs::symlink;

use super::*;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn gathered(root: &Path, manifests: &[&str]) -> (Result<Gathered, DeployError>, tempfile::TempDir) {
    let to = tempfile::tempdir().unwrap();
    let manifests: Vec<_> = manifests.iter().map(|it| root.join(it)).collect();
    (gather(&manifests, to.path()), to)
}

fn left_out(gathered: &Gathered, root: &Path) -> Vec<String> {
    let below = |it: &LeftOut| it.path.strip_prefix(root).unwrap().display().to_string();
    gathered.left_out.iter().map(below).collect()
}

#[test]
fn files_with_objects_are_copied_under_names_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("deploy/a.yaml", POD),
            ("deploy/sub/a.yaml", POD),
            ("deploy/values.yaml", "x: 1"),
            ("deploy/README.md", "# x"),
            ("deploy/.git/a.yaml", POD),
            ("one.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}"),
        ],
    );
    let (done, to) = gathered(root.path(), &["deploy", "one.json"]);
    let done = done.unwrap();
    assert_eq!(done.parts.files, ["0000-a.yaml", "0001-a.yaml", "0002-one.json"]);
    assert_eq!(left_out(&done, root.path()), ["deploy/values.yaml"]);
    assert_eq!(fs::read_to_string(to.path().join("0001-a.yaml")).unwrap(), POD);
}

#[test]
fn a_kustomization_comes_with_what_it_builds_upon() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("k/base/kustomization.yaml", "resources: [a.yaml, https://example.org/x]"),
            ("k/base/a.yaml", POD),
            ("k/overlays/dev/kustomization.yml", "resources: [../../base]\ncomponents: [../../c]"),
            ("k/overlays/dev/patch.txt", "x"),
            ("k/overlays/prod/kustomization.yaml", "resources: [../../base]"),
            ("k/c/kustomization.yaml", "kind: Component"),
        ],
    );
    let (done, to) = gathered(root.path(), &["k/overlays/dev"]);
    assert_eq!(done.unwrap().parts.folders, ["k/overlays/dev"]);
    for path in ["k/base/a.yaml", "k/overlays/dev/patch.txt", "k/c/kustomization.yaml"] {
        assert!(to.path().join(path).exists(), "{path}");
    }
    assert!(!to.path().join("k/overlays/prod").exists());
    // Below a folder of plain files, too.
    let (done, _to) = gathered(root.path(), &["k/base"]);
    assert_eq!(done.unwrap().parts.folders, ["base"]);
}

#[test]
fn what_cannot_be_applied_is_told() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("t/a.yaml", "name: {{ x }}"), ("v/a.yaml", "x: 1")]);
    let error = |path: &str| gathered(root.path(), &[path]).0.unwrap_err();
    assert!(matches!(error("t"), DeployError::NoYaml { .. }));
    assert!(matches!(error("v"), DeployError::NoObjects { .. }));
    assert!(matches!(error("absent"), DeployError::Manifests { .. }));
}
#[test]
fn what_is_named_twice_is_taken_once() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("deploy/a.yaml", POD),
            ("k/kustomization.yaml", "resources: [a.yaml]"),
            ("k/a.yaml", POD),
        ],
    );
    symlink("a.yaml", root.path().join("deploy/b.yaml")).unwrap();
    let twice = ["deploy/a.yaml", "deploy", "k", "k/kustomization.yaml"];
    let done = gathered(root.path(), &twice).0.unwrap();
    assert_eq!(done.parts.files, ["0000-a.yaml"]);
    assert_eq!(done.parts.folders, ["k"]);
}

#[test]
fn a_file_is_copied_under_a_harmless_name_whatever_it_is_called() {
    let root = tempfile::tempdir().unwrap();
    let long = format!("{}.yaml", "a".repeat(250));
    let names =
        ["-f.yaml", "a..b.yaml", "a b;c.yml", "no-ending", "x.ya\nml", "\u{1b}[31m.yaml", &long];
    for name in names {
        write(root.path(), &[(name, POD)]);
    }
    let done = gathered(root.path(), &names).0.unwrap();
    let long = format!("0006-{}.yaml", "a".repeat(STEM_MAX));
    let copies = [
        "0000--f.yaml",
        "0001-ab.yaml",
        "0002-abc.yml",
        "0003-no-ending.yaml",
        "0004-x.yaml",
        "0005-31m.yaml",
        &long,
    ];
    assert_eq!(done.parts.files, copies);
    let words = "accumulating resources from '0002-abc.yml': /t/0003-no-ending.yaml is bad";
    let root = root.path().display();
    assert_eq!(
        done.with_own_paths(words, "/t"),
        format!("accumulating resources from '{root}/a b;c.yml': {root}/no-ending is bad")
    );
}

#[test]
fn a_link_is_followed_to_a_file_and_to_no_folder() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("deploy/a.yaml", POD), ("other/b.yaml", POD), ("other/c.yaml", POD)]);
    let link = |target: &str, name: &str| symlink(target, root.path().join(name)).unwrap();
    link("../other/b.yaml", "deploy/b.yaml");
    link("../other", "deploy/other");
    link(".", "deploy/again");
    link("/", "deploy/all");
    link("nowhere", "deploy/none.yaml");
    link("deploy", "link");
    let done = gathered(root.path(), &["deploy"]).0.unwrap();
    assert_eq!(done.parts.files, ["0000-a.yaml", "0001-b.yaml"]);
    let left = ["deploy/again", "deploy/all", "deploy/none.yaml", "deploy/other"];
    assert_eq!(left_out(&done, root.path()), left);
    assert_eq!(gathered(root.path(), &["link"]).0.unwrap().parts.files.len(), 2);
}

#[test]
fn a_kustomization_takes_what_it_names_and_nothing_by_a_link_to_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            (
                "k/kustomization.yaml",
                "resources: [vendor/crd.yaml, vendor/base, /, ..]\n\
                 configMapGenerator: [{name: c, envs: [.env], files: [x=.config/app.ini]}]",
            ),
            ("k/vendor/crd.yaml", POD),
            ("k/vendor/base/kustomization.yaml", "resources: [a.yaml]"),
            ("k/vendor/base/a.yaml", POD),
            ("k/vendor/other.yaml", POD),
            ("k/.env", "A=1"),
            ("k/.config/app.ini", "x"),
            ("k/.git/config", "x"),
            ("k/target/a.yaml", POD),
            ("keys/id", "secret"),
        ],
    );
    let link = |target: &str, name: &str| symlink(target, root.path().join(name)).unwrap();
    link("../keys/id", "k/key");
    link("../keys", "k/keys");
    link("../..", "k/vendor/base/up");
    link("a.yaml", "k/vendor/base/same.yaml");
    let (done, to) = gathered(root.path(), &["k"]);
    let done = done.unwrap();
    for path in [
        "vendor/crd.yaml",
        "vendor/base/a.yaml",
        "vendor/base/same.yaml",
        ".env",
        ".config/app.ini",
    ] {
        assert!(to.path().join("k").join(path).is_file(), "{path}");
    }
    for path in ["vendor/other.yaml", ".git", "target", "key", "keys", "vendor/base/up"] {
        assert!(!to.path().join("k").join(path).exists(), "{path}");
    }
    let real = root.path().canonicalize().unwrap();
    assert_eq!(left_out(&done, &real), ["k/key", "k/keys", "k/vendor/base/up"]);
    let words = done.with_own_paths("/t/k/x.yaml of k", "/t");
    assert_eq!(words, format!("{}/x.yaml of k", real.join("k").display()));
}

#[test]
fn what_is_too_much_is_refused() {
    let path = Path::new("a");
    let full = || Gathered { files: FILES_MAX, folders: FOLDERS_MAX, ..Gathered::default() };
    assert!(matches!(full().count_file(path, 0), Err(DeployError::TooMuch { .. })));
    assert!(matches!(full().count_folder(path), Err(DeployError::TooMuch { .. })));
    let mut empty = Gathered::default();
    empty.count_file(path, BYTES_MAX).unwrap();
    assert!(matches!(empty.count_file(path, 1), Err(DeployError::TooMuch { .. })));
}

#[test]
fn what_has_no_end_is_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("k/kustomization.yaml", ""), ("k/a/x", ""), ("k/b/x", "")]);
    // From a to b and back again, by two ways each.
    for (from, to) in [("a", "b"), ("b", "a")] {
        for way in ["1", "2"] {
            symlink(format!("../{to}"), root.path().join("k").join(from).join(way)).unwrap();
        }
    }
    // The system ends it where a path has too many links, if the number of files did not before.
    let error = gathered(root.path(), &["k"]).0.unwrap_err();
    let is_refused = matches!(error, DeployError::Manifests { .. } | DeployError::TooMuch { .. });
    assert!(is_refused, "{error}");
    let error = gather(&["/dev/zero".into()], root.path()).unwrap_err();
    assert!(matches!(error, DeployError::Manifests { .. }), "{error}");
    write(root.path(), &[("large.yaml", &"# \n".repeat(6 << 20))]);
    let error = gathered(root.path(), &["large.yaml"]).0.unwrap_err();
    assert!(matches!(error, DeployError::Manifests { .. }), "{error}");
    fs::write(root.path().join("image.yaml"), b"\x89PNG\r\n\xff\0").unwrap();
    let error = gathered(root.path(), &["image.yaml"]).0.unwrap_err();
    assert!(matches!(error, DeployError::Manifests { .. }), "{error}");
}
