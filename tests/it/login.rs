//! `wharf login` and `wharf logout`, against a registry:2 that lets one user in; and that Podman's
//! tools and Wharf find each other's logins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Process, has_program, program};

/// `me` with the password `right`, by bcrypt.
const HTPASSWD: &str = "me:$2b$04$hQZSrWXi.3A41xwMjyld4.qtrOgOPYGRaWSobIS.WM5m5MmnlND4C\n";

/// A registry:2 that wants user and password, and a user's home with nothing in it.
struct Place {
    registry: String,
    folder: TempDir,
    _process: Process,
}

impl Place {
    fn new(what: &str) -> Option<Self> {
        if !has_program("docker-registry", what) {
            return None;
        }
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        for name in ["bin", "run", "data"] {
            fs::create_dir(path(name)).unwrap();
        }
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
             storage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             auth: {{htpasswd: {{realm: here, path: '{}'}}}}\n",
            path("data").display(),
            path("htpasswd").display()
        );
        fs::write(path("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path("config.yml")).env("OTEL_TRACES_EXPORTER", "none");
        let mut process = Process::spawn(command);
        let registry = process.address().to_string();
        Some(Self { registry, folder, _process: process })
    }

    /// A program of this user, whose environment is this home.
    fn command(&self, name: impl Into<std::ffi::OsString>) -> Command {
        let home = self.folder.path();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(name.into());
        command.env_clear().stdin(Stdio::null()).env("HOME", home);
        command.env("PATH", format!("{}:{path}", home.join("bin").display()));
        command.env("XDG_RUNTIME_DIR", home.join("run"));
        command
    }

    fn wharf(&self, words: &[&str]) -> Output {
        self.command(program()).args(words).env("WHARF_REGISTRY", &self.registry).output().unwrap()
    }

    fn login(&self, password: &str) -> Output {
        let mut command = self.command(program());
        let words = ["--json", "login", &self.registry, "-u", "me", "--password-stdin"];
        fed(command.args(words), password)
    }

    /// The file in which Podman keeps logins, as text.
    fn kept(&self) -> Option<String> {
        fs::read_to_string(self.file()).ok()
    }

    fn file(&self) -> std::path::PathBuf {
        let linux = cfg!(target_os = "linux");
        self.folder.path().join(if linux { "run" } else { ".config" }).join("containers/auth.json")
    }
}

/// Runs a command with something on its standard input.
fn fed(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    let pipe = || Stdio::piped();
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_login_is_tried_kept_used_and_taken_away() {
    let Some(place) = Place::new("wharf login") else { return };
    let before = place.wharf(&["ls"]);
    assert_eq!(before.status.code(), Some(1));
    assert!(words(&before).contains("hint: log in: wharf login"), "{}", words(&before));

    let wrong = place.login("wrong-secret\n");
    assert_eq!((wrong.status.code(), place.kept()), (Some(1), None), "{}", words(&wrong));
    assert!(!words(&wrong).contains("wrong-secret"));

    let right = place.login("right\n");
    assert!(right.status.success(), "{}", words(&right));
    let result: Value = serde_json::from_slice(&right.stdout).unwrap();
    assert_eq!((&result["user"], &result["checked"]), (&"me".into(), &true.into()));
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = place.wharf(&["ls"]);
    assert!(listed.status.success(), "{}", words(&listed));
    let short = ["--seconds", "0.05", "--rounds", "1", "--connections", "2"];
    let measured = place.wharf(&[&["bench", "requests"], &short[..]].concat());
    assert!(measured.status.success(), "{}", words(&measured));

    let out = place.wharf(&["logout", &place.registry]);
    assert!(out.status.success() && !place.kept().unwrap().contains(&place.registry));
    assert_eq!(place.wharf(&["ls"]).status.code(), Some(1));
}

#[test]
fn podmans_tools_and_wharf_share_their_logins() {
    let Some(place) = Place::new("logins of others") else { return };
    for tool in ["skopeo", "podman"] {
        if !has_program(tool, "logins of others") {
            continue;
        }
        // Each writes, and the other reads.
        let mut login = place.command(tool);
        login.args(["login", "-u", "me", "--password-stdin", "--tls-verify=false"]);
        let login = fed(login.arg(&place.registry), "right");
        assert!(login.status.success(), "{tool}: {}", words(&login));
        let listed = place.wharf(&["ls"]);
        assert!(listed.status.success(), "{tool}: {}", words(&listed));
        assert!(place.wharf(&["logout", "--all"]).status.success());

        assert!(place.login("right").status.success());
        let known = place.command(tool).args(["login", "--get-login", &place.registry]).output();
        let known = known.unwrap();
        assert_eq!(String::from_utf8_lossy(&known.stdout).trim(), "me", "{}", words(&known));
        let mut logout = place.command(tool);
        assert!(logout.args(["logout", &place.registry]).status().unwrap().success());
        assert_eq!(place.wharf(&["ls"]).status.code(), Some(1));
    }
}

#[test]
fn a_program_that_keeps_logins_is_asked() {
    let Some(place) = Place::new("docker-credential programs") else { return };
    let folder = place.folder.path();
    // Keeps what it is given in a file beside it.
    let script = "#!/bin/sh\ncase $1 in\n\
                  store) cat > \"$HOME/kept\" ;;\n\
                  get) cat \"$HOME/kept\" || { echo 'credentials not found'; exit 1; } ;;\n\
                  erase) rm \"$HOME/kept\" ;;\nesac\n";
    let keeper = folder.join("bin/docker-credential-shell");
    fs::write(&keeper, script).unwrap();
    fs::set_permissions(&keeper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    fs::write(place.file(), r#"{"credsStore":"shell"}"#).unwrap();

    let login = place.login("right");
    assert!(login.status.success(), "{}", words(&login));
    let kept: Value = serde_json::from_slice(&fs::read(folder.join("kept")).unwrap()).unwrap();
    assert_eq!((&kept["Username"], &kept["Secret"]), (&"me".into(), &"right".into()));
    assert!(!place.kept().unwrap().contains("auths"));
    let listed = place.wharf(&["ls"]);
    assert!(listed.status.success(), "{}", words(&listed));
    assert!(place.wharf(&["logout", &place.registry]).status.success());
    assert!(!folder.join("kept").exists());

    // One that is not there is told, as the reason why nobody is asking.
    fs::write(place.file(), r#"{"credsStore":"absent"}"#).unwrap();
    let lost = place.wharf(&["ls"]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(words(&lost).contains("docker-credential-absent"), "{}", words(&lost));
}

#[test]
fn without_a_terminal_there_is_nobody_to_ask() {
    let folder = TempDir::new().unwrap();
    for words in [vec!["login", "localhost:1"], vec!["login", "localhost:1", "-u", "me"]] {
        let mut command = Command::new(program());
        command.args(&words).env_clear().env("HOME", folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("--password-stdin"), "{text}");
    }
}
