//! Manifests that are wrong, odd or meant to harm: each failure names the file, says what is wrong with it
//! and what to do; no file of the user's is changed, nothing is applied, and nothing stays behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{DEPLOYMENT, MANIFESTS, Stage, Story, images, outcome, said};

/// An object that a cluster takes.
const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";

impl Stage {
    /// `wharf deploy` whose temporary files are seen.
    fn watched<const N: usize>(&self, words: [&str; N]) -> Command {
        fs::create_dir_all(self.path("tmp")).unwrap();
        let mut deploy = self.deploy(words);
        deploy.env("TMPDIR", self.path("tmp"));
        deploy
    }

    #[track_caller]
    fn assert_nothing_stays(&self) {
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Deploys with another file beside the manifests, which must fail; gives what is said.
    #[track_caller]
    fn refused(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path("deploy").join(name), content).unwrap();
        let before = self.files();
        let (code, stdout, stderr) = outcome(&mut self.watched([]));
        assert_eq!((code, &*stdout), (1, ""), "{name}: {stderr}");
        assert!(!stderr.contains("panicked"), "{name}: {stderr}");
        assert!(self.cluster.is_empty(), "{name} was applied: {stderr}");
        assert_eq!(self.files(), before, "files of the user's were changed");
        self.assert_nothing_stays();
        fs::remove_file(self.path("deploy").join(name)).unwrap();
        stderr
    }
}

#[test]
fn a_file_that_cannot_be_taken_is_named_with_what_to_do() {
    let Some(stage) = Stage::new(Story::Starts, "manifests that cannot be taken") else { return };
    let aliases = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(50_000), "*a,".repeat(50_000));
    let utf16: Vec<u8> = CONFIG_MAP.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [&[0xff, 0xfe], &utf16[..]].concat();
    let one_by_one = "naming the files one by one";
    for (name, content, expected) in [
        (
            "tab.yaml",
            b"apiVersion: v1\nkind: Pod\n\tmetadata: {}\n".to_vec(),
            ["line 3", "never by tabs"],
        ),
        ("at.yaml", b"a: @b\n".to_vec(), ["line 1", "quotes"]),
        ("prose.yaml", b"This: is: prose\n".to_vec(), ["line 1", one_by_one]),
        ("cut.json", b"{\"apiVersion\": \"v1\",".to_vec(), ["line 2", one_by_one]),
        ("image.yaml", b"\x89PNG\r\n\x1a\n\0\xff".to_vec(), ["UTF-8", one_by_one]),
        ("windows.yaml", utf16, ["UTF-8", one_by_one]),
        ("zero.yaml", b"a: \0\n".to_vec(), ["cannot read the manifest", one_by_one]),
        ("large.yaml", b"# \n".repeat(6 << 20), ["larger than 16 MiB", one_by_one]),
        ("deep.yaml", b"[".repeat(100_000), ["limit exceeded", one_by_one]),
        ("bomb.yaml", aliases.into_bytes(), ["stand for too much", one_by_one]),
    ] {
        let words = stage.refused(name, &content);
        let path = format!("deploy/{name}");
        for expected in expected.into_iter().chain([&*path, "\nhint: "]) {
            assert!(words.contains(expected), "{name}: no {expected:?} in {words}");
        }
    }
}

#[test]
fn what_kustomize_refuses_is_told_by_the_users_own_paths() {
    let Some(stage) = Stage::new(Story::Starts, "manifests that kustomize refuses") else { return };
    let words = stage.refused("nameless.yaml", b"apiVersion: v1\nkind: Pod\nmetadata: {}\n");
    assert!(
        words.contains("kustomize does not take") && words.contains("nothing was applied"),
        "{words}"
    );
    let words =
        stage.refused("twice.yaml", CONFIG_MAP.repeat(2).replace("}\nap", "}\n---\nap").as_bytes());
    assert!(words.contains("settings"), "{words}");
    // Of what kubectl would refuse after it has applied the others, nothing is applied.
    let halved = format!("{CONFIG_MAP}---\nkind: Pod\nmetadata: {{name: x}}\n");
    let words = stage.refused("halved.yaml", halved.as_bytes());
    assert!(words.contains("deploy/halved.yaml: document 2 (Pod x) has no apiVersion"), "{words}");

    fs::remove_dir_all(stage.path("deploy")).unwrap();
    stage.write("deploy/kustomization.yaml", "resources: [absent.yaml]\n");
    let words = stage.refused("beside.txt", b"");
    assert!(words.contains(&stage.path("deploy").display().to_string()), "{words}");
    assert!(words.contains("absent.yaml"), "{words}");
    stage.write("deploy/kustomization.yaml", "resources: [halved.yaml]\n");
    let words = stage.refused("halved.yaml", halved.as_bytes());
    assert!(words.contains("(Pod x) has no apiVersion"), "{words}");
}

#[test]
fn what_is_odd_is_taken() {
    let Some(stage) = Stage::new(Story::Starts, "odd manifests") else { return };
    let with_name = |name: &str| CONFIG_MAP.replace("settings", name);
    stage.write("deploy/empty.yaml", "");
    stage.write("deploy/comment.yaml", "# nothing\n---\n---\n");
    stage.write(
        "deploy/several.yaml",
        &format!("---\n{}---\n# nothing\n---\n{}...\n", with_name("first"), with_name("second")),
    );
    stage.write(
        "deploy/windows.yaml",
        &format!("\u{feff}{}", with_name("third").replace('\n', "\r\n")),
    );
    stage.write(
        "deploy/anchors.yaml",
        &format!("{}data:\n  a: &a 'x\ty'\n  b: *a\n", with_name("fourth")),
    );
    stage.write(
        "deploy/list.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: fifth}}\n",
    );
    stage.write("deploy/a..b c.yaml", &with_name("sixth"));
    stage.write(&format!("deploy/{}.yaml", "x".repeat(250)), &with_name("seventh"));
    stage.write("elsewhere/linked.yaml", &with_name("eighth"));
    stage.write("elsewhere/more.yaml", &with_name("ninth"));
    symlink("../elsewhere/linked.yaml", stage.path("deploy/linked.yaml")).unwrap();
    symlink("../elsewhere", stage.path("deploy/elsewhere")).unwrap();
    symlink("/", stage.path("deploy/\u{1b}[31mall")).unwrap();
    let before = stage.files();
    let (stdout, stderr) = said(&mut stage.watched([]));
    assert_eq!(stdout, "deployment/moon-server\n");
    for name in ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"] {
        stage.cluster.object(&format!("/api/v1/namespaces/default/configmaps/{name}"));
    }
    let fourth = stage.cluster.object("/api/v1/namespaces/default/configmaps/fourth");
    assert_eq!(fourth["data"], serde_json::json!({"a": "x\ty", "b": "x\ty"}));
    for left in ["empty.yaml", "comment.yaml", "deploy/elsewhere", "all"] {
        let is_said = |line: &str| line.contains(left) && line.contains(" is left out: ");
        assert!(stderr.lines().any(is_said), "{left}: {stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "a name commands the terminal: {stderr}");
    assert!(!stderr.contains("ninth"), "{stderr}");
    assert_eq!(stage.files(), before, "files of the user's were changed");
    stage.assert_nothing_stays();
}

#[test]
fn whoever_ends_the_wait_leaves_no_copies_behind() {
    let Some(stage) = Stage::new(Story::NoRoom, "a wait that is ended") else { return };
    let mut deploy = stage.watched(["--timeout", "1h"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut words = BufReader::new(deploy.stderr.take().unwrap()).lines();
    let waits = words.any(|line| line.unwrap().contains("Waiting for deployment"));
    deploy.kill().unwrap();
    deploy.wait().unwrap();
    assert!(waits, "it did not come to the wait");
    stage.assert_nothing_stays();
}

/// The version of kubectl, after the `1.`.
fn kubectl_minor() -> u32 {
    let mut kubectl = Command::new("kubectl");
    let output = kubectl.args(["version", "--client", "--output=json"]).output().unwrap();
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    let minor = version["clientVersion"]["minor"].as_str().unwrap();
    minor.trim_end_matches('+').parse().unwrap()
}

#[test]
fn an_image_is_known_by_any_tag_digest_and_port() {
    let Some(stage) = Stage::new(Story::Starts, "images in all their forms") else { return };
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut ours = vec!["moon-server".to_owned(), "kind-registry:5000/moon-server:any".to_owned()];
    let by_digest = [
        format!("moon-server@{digest}"),
        format!("moon-server:v1.0.0@{digest}"),
        format!("localhost:5000/moon-server@{digest}"),
    ];
    let mut others = vec![
        "localhost:5009/moon-server:v1.0.0".to_owned(),
        "registry.example:443/moon-server:v1.0.0".to_owned(),
        format!("ghcr.io/me/moon-server@{digest}"),
        "moon-server-2:v1.0.0".to_owned(),
        "Not An Image".to_owned(),
        String::new(),
    ];
    // The kustomize of older ones leaves a name with a digest as it is, which the docs say.
    if kubectl_minor() < 21 {
        others.extend(by_digest);
    } else {
        ours.extend(by_digest);
    }
    let all = ours.iter().chain(&others).enumerate();
    let containers: String =
        all.map(|(at, image)| format!("      - {{name: c{at}, image: '{image}'}}\n")).collect();
    let (head, _) = MANIFESTS.split_once("      initContainers").unwrap();
    stage.write("deploy/moon.yaml", &format!("{head}      containers:\n{containers}"));
    said(&mut stage.watched(["--no-wait"]));
    let applied = images(&stage.cluster.object(DEPLOYMENT));
    let expected: Vec<_> = ours.iter().map(|_| stage.pinned()).chain(others).collect();
    assert_eq!(applied, expected);
}

#[test]
fn a_kind_that_the_cluster_does_not_know_is_told_with_what_was_applied() {
    let Some(stage) = Stage::new(Story::Starts, "an unknown kind") else { return };
    stage.write(
        "deploy/own.yaml",
        "apiVersion: example.org/v1\nkind: Lighthouse\nmetadata: {name: one}\nspec: {height: 20}\n",
    );
    let (code, _, stderr) = outcome(&mut stage.watched([]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("Lighthouse") && stderr.contains("deploy again"), "{stderr}");
    stage.assert_nothing_stays();
}

#[test]
fn a_kustomization_reads_its_own_files_and_no_keys() {
    let Some(stage) = Stage::new(Story::Starts, "a kustomization that wants keys") else { return };
    fs::remove_dir_all(stage.path("deploy")).unwrap();
    stage.write("deploy/moon.yaml", MANIFESTS);
    stage.write("deploy/.env", "LEVEL=debug\n");
    stage.write("keys/id", "the key");
    let kustomization = |more: &str| {
        let text =
            format!("resources: [moon.yaml]\nconfigMapGenerator:\n- {{name: settings, {more}}}\n");
        stage.write("deploy/kustomization.yaml", &text);
    };
    // `envs` in newer ones; every kustomize takes this.
    kustomization("env: .env");
    // By the name of the file itself, as people write it, too.
    let text = super::PROJECT.replace("'deploy'", "'deploy/kustomization.yaml'");
    stage.write("wharf.toml", &text);
    let (shown, _) = said(&mut stage.watched(["--dry-run"]));
    assert!(shown.contains("LEVEL: debug"), "{shown}");

    symlink("../keys/id", stage.path("deploy/id")).unwrap();
    for (file, reason) in
        [("id", "deploy/id is left out"), ("../keys/id", "kustomize does not take")]
    {
        kustomization(&format!("files: [{file}]"));
        let (code, stdout, stderr) = outcome(&mut stage.watched(["--dry-run"]));
        assert_eq!((code, &*stdout), (1, ""), "{stderr}");
        assert!(stderr.contains(reason) && !stderr.contains("the key"), "{stderr}");
        stage.assert_nothing_stays();
    }
}
