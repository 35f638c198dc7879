//! Files of credentials: where they are looked for, what they may hold, what becomes of them when a
//! login is stored.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tempfile::TempDir;
use wharf_client::{
    AuthFiles, AuthPlaces, Credential, CredentialError, Credentials, Helper, HelperAnswer, Keeper,
};

use crate::server::password;

/// Programs that keep credentials, in memory: name and server → user and secret.
#[derive(Debug, Default)]
struct Programs {
    kept: Mutex<BTreeMap<(String, String), (String, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Helper for Programs {
    fn ask(
        &self,
        name: &str,
        verb: &str,
        input: &[u8],
    ) -> Result<HelperAnswer, Box<dyn std::error::Error + Send + Sync>> {
        let input = String::from_utf8(input.to_vec()).unwrap();
        self.asked.lock().unwrap().push(format!("{name} {verb}"));
        let mut kept = self.kept.lock().unwrap();
        let answer = |is_success, output: String| {
            Ok(HelperAnswer { is_success, output: output.into_bytes() })
        };
        match (name, verb) {
            ("absent", _) => Err("no such program".into()),
            ("locked", _) => answer(false, "the keychain is locked\n".into()),
            ("echo", _) => answer(false, format!("cannot keep {input}\n")),
            (_, "get") => match kept.get(&(name.into(), input.clone())) {
                Some((user, secret)) => {
                    let kept = serde_json::json!({ "ServerURL": input, "Username": user, "Secret": secret });
                    answer(true, kept.to_string())
                }
                None => answer(false, "credentials not found in native keychain\n".into()),
            },
            (_, "store") => {
                let text = |field: &str| {
                    let value: serde_json::Value = serde_json::from_str(&input).unwrap();
                    value[field].as_str().unwrap().to_owned()
                };
                let entry = (text("Username"), text("Secret"));
                kept.insert((name.into(), text("ServerURL")), entry);
                answer(true, String::new())
            }
            _ => {
                kept.remove(&(name.into(), input));
                answer(true, String::new())
            }
        }
    }
}

/// A user's folders, empty at first.
struct Home {
    folder: TempDir,
    programs: Arc<Programs>,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), programs: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, content: impl AsRef<str>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_ref()).unwrap();
    }

    fn read(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path().join(path)).unwrap()).unwrap()
    }

    fn keep(&self, program: &str, server: &str, user: &str, secret: &str) {
        let key = (program.to_owned(), server.to_owned());
        self.programs.kept.lock().unwrap().insert(key, (user.to_owned(), secret.to_owned()));
    }

    fn places(&self) -> AuthPlaces {
        AuthPlaces {
            authfile: None,
            xdg_runtime_dir: Some(self.path().join("run")),
            xdg_config_home: None,
            docker_config: None,
            home: Some(self.path().into()),
            uid: 1000,
        }
    }

    fn files(&self) -> AuthFiles {
        AuthFiles::new(self.places(), self.programs.clone())
    }

    fn find(&self, registry: &str, name: &str) -> Option<Credential> {
        self.try_find(registry, name).unwrap()
    }

    fn try_find(&self, registry: &str, name: &str) -> Result<Option<Credential>, CredentialError> {
        self.files().find(registry, (!name.is_empty()).then(|| name.parse().unwrap()).as_ref())
    }
}

/// A file of logins: pairs of a key and the user's name; the password is that name backwards.
fn logins<const N: usize>(entries: [(&str, &str); N]) -> String {
    let entry = |user: &str| serde_json::json!({ "auth": BASE64_STANDARD.encode(format!("{user}:{}", backwards(user))) });
    let auths: BTreeMap<_, _> = entries.iter().map(|(key, user)| (*key, entry(user))).collect();
    serde_json::json!({ "auths": auths }).to_string()
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

fn login(user: &str) -> Option<Credential> {
    password(user, &backwards(user))
}

/// The file in which Podman keeps logins here.
const OWN: &str = if cfg!(target_os = "linux") {
    "run/containers/auth.json"
} else {
    ".config/containers/auth.json"
};

#[test]
fn the_first_file_that_knows_the_registry_counts() {
    let home = Home::new();
    let mut places = vec![".docker/config.json", ".config/containers/auth.json"];
    if cfg!(target_os = "linux") {
        places.push("run/containers/auth.json");
    }
    let legacy: serde_json::Value = serde_json::from_str(&logins([("r", "legacy")])).unwrap();
    home.write(".dockercfg", legacy["auths"].to_string());
    assert_eq!(home.find("r", ""), login("legacy"));
    for place in places {
        home.write(place, logins([("r", place)]));
        assert_eq!(home.find("r", ""), login(place));
    }
    // A file that knows only others does not end the search.
    home.write(OWN, logins([("other", "other")]));
    assert!(home.find("r", "").is_some() && home.find("nobody", "").is_none());
    // A file that was named is the only one.
    home.write("named.json", logins([("other", "named")]));
    let places = AuthPlaces { authfile: Some(home.path().join("named.json")), ..home.places() };
    let files = AuthFiles::new(places, home.programs.clone());
    assert_eq!(files.find("other", None).unwrap(), login("named"));
    assert_eq!(files.find("r", None).unwrap(), None);
}

#[test]
fn the_folders_of_the_environment_come_in_the_place_of_the_usual_ones() {
    let home = Home::new();
    home.write(".config/containers/auth.json", logins([("a", "wrong")]));
    home.write(".docker/config.json", logins([("a", "wrong"), ("b", "wrong")]));
    home.write("xdg/containers/auth.json", logins([("a", "xdg")]));
    home.write("docker/config.json", logins([("b", "docker")]));
    let places = AuthPlaces {
        xdg_config_home: Some(home.path().join("xdg")),
        docker_config: Some(home.path().join("docker")),
        // Where the user's number would be looked up.
        xdg_runtime_dir: Some(home.path().join("empty")),
        ..home.places()
    };
    let files = AuthFiles::new(places, home.programs.clone());
    if cfg!(target_os = "linux") {
        assert_eq!(files.find("a", None).unwrap(), login("xdg"));
    }
    assert_eq!(files.find("b", None).unwrap(), login("docker"));
}

#[test]
fn the_longest_key_counts() {
    let home = Home::new();
    let keys = [("r:5000/team/app", "app"), ("r:5000/team", "team"), ("r:5000", "all")];
    home.write(OWN, logins(keys));
    for (name, user) in [
        ("team/app", "app"),
        ("team/app/x", "app"),
        ("team/other", "team"),
        ("teams", "all"),
        ("", "all"),
    ] {
        assert_eq!(home.find("r:5000", name), login(user), "{name}");
    }
    assert_eq!(home.find("r", "team/app"), None, "another port is another registry");
}

#[test]
fn docker_hub_has_many_names() {
    for key in
        ["docker.io", "https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"]
    {
        let home = Home::new();
        home.write(OWN, logins([(key, "hub")]));
        assert_eq!(home.find("docker.io", "library/debian"), login("hub"), "{key}");
        assert_eq!(home.find("quay.io", ""), None);
    }
    let home = Home::new();
    home.write(OWN, logins([("https://r.example/v1/", "old"), ("r.example/team", "part")]));
    assert_eq!(home.find("r.example", "x"), login("old"));
    assert_eq!(home.find("r.example", "team/x"), login("part"));
}

#[test]
fn an_entry_may_hold_a_token_or_nothing() {
    let home = Home::new();
    let padded = BASE64_STANDARD.encode("user:pass:word\0\0");
    home.write(
        OWN,
        format!(
            r#"{{"auths":{{"i":{{"identitytoken":"t","auth":"eDp5"}},"r":{{"registrytoken":"t"}},
               "p":{{"auth":"{padded}"}},"u":{{"username":"a","password":"b"}},
               "e":{{}},"x":{{"auth":"***"}},"n":null}}}}"#
        ),
    );
    let identity = Some(Credential::IdentityToken("t".into()));
    assert_eq!(home.find("i", ""), identity);
    assert_eq!(home.find("r", ""), Some(Credential::RegistryToken("t".into())));
    assert_eq!(home.find("p", ""), password("user", "pass:word"));
    assert_eq!(home.find("u", ""), password("a", "b"));
    for none in ["e", "x", "n"] {
        assert_eq!(home.find(none, ""), None);
    }
}

#[test]
fn programs_are_asked_for_what_they_keep() {
    let home = Home::new();
    home.keep("chain", "all", "me", "one");
    home.keep("own", "special", "<token>", "two");
    home.keep("chain", "https://index.docker.io/v1/", "hub", "three");
    let config = r#"{"credsStore":"chain","credHelpers":{"special":"own"},"auths":{"all":{}}}"#;
    home.write(".docker/config.json", config);
    assert_eq!(home.find("all", "x"), password("me", "one"));
    assert_eq!(home.find("special", ""), Some(Credential::IdentityToken("two".into())));
    assert_eq!(home.find("docker.io", ""), password("hub", "three"));
    assert_eq!(home.find("unknown", ""), None);
}

#[test]
fn what_fails_does_not_end_the_search_but_is_told() {
    for broken in [
        r#"{"credHelpers":{"r":"absent"}}"#,
        r#"{"credsStore":"locked"}"#,
        r#"{"credHelpers":{"r":"../../bin/sh"}}"#,
        r#"{"auths":"#,
        "[]",
    ] {
        let home = Home::new();
        home.write(OWN, broken);
        assert!(home.try_find("r", "").is_err(), "{broken}");
        home.write(".docker/config.json", logins([("r", "docker")]));
        assert_eq!(home.find("r", ""), login("docker"), "{broken}");
        assert!(home.programs.asked.lock().unwrap().iter().all(|it| !it.contains("bin/sh")));
    }
    // What a file holds is never part of an error.
    let home = Home::new();
    home.write(OWN, r#"{"auths": secret-text }"#);
    let error = home.try_find("r", "").unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
}

#[test]
fn a_login_is_stored_where_podman_finds_it_and_all_else_stays() {
    let home = Home::new();
    let kept = home.files().store("r:5000", "me", "pass:word").unwrap();
    let path = home.path().join(OWN);
    assert_eq!(kept, Keeper::File(path.clone()));
    assert_eq!(home.find("r:5000", ""), password("me", "pass:word"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    home.write(
        OWN,
        r#"{"auths":{"other":{"auth":"eDp5"},"https://r:5000/v2/":{"auth":"eDp5"}},"future":[1]}"#,
    );
    home.files().store("r:5000", "me", "again").unwrap();
    let content = home.read(OWN);
    assert_eq!(content["future"], serde_json::json!([1]));
    assert_eq!(content["auths"].as_object().unwrap().len(), 2, "the old name is gone: {content}");
    assert_eq!(home.find("other", ""), password("x", "y"));
    assert_eq!(home.files().registries().unwrap(), ["other", "r:5000"]);

    assert_eq!(home.files().erase("r:5000").unwrap(), [Keeper::File(path)]);
    assert_eq!(home.files().erase("r:5000").unwrap(), []);
    assert_eq!((home.find("r:5000", ""), home.find("other", "")), (None, password("x", "y")));
}

#[test]
fn a_file_that_is_a_link_stays_one_and_a_broken_one_is_left_alone() {
    let home = Home::new();
    home.write("real.json", "{}");
    let path = home.path().join(OWN);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(home.path().join("real.json"), &path).unwrap();
    home.files().store("r", "me", "secret").unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert!(home.read("real.json")["auths"]["r"].is_object());

    fs::write(home.path().join("real.json"), "{ broken").unwrap();
    home.files().store("r", "me", "secret").unwrap_err();
    assert_eq!(fs::read_to_string(home.path().join("real.json")).unwrap(), "{ broken");
}

#[test]
fn a_login_goes_to_the_program_that_the_file_names() {
    let home = Home::new();
    home.write(OWN, r#"{"credHelpers":{"r":"own"},"auths":{"r":{"auth":"eDp5"}}}"#);
    let own = Keeper::Helper("own".into());
    assert_eq!(home.files().store("r", "me", "secret").unwrap(), own);
    assert!(!fs::read_to_string(home.path().join(OWN)).unwrap().contains("eDp5"));
    assert_eq!(home.find("r", ""), password("me", "secret"));
    assert_eq!(home.files().erase("r").unwrap(), [own]);
    assert_eq!(home.find("r", ""), None);
}

#[test]
fn a_program_that_repeats_a_password_is_not_quoted() {
    let home = Home::new();
    home.write(OWN, r#"{"credHelpers": {"r.example": "echo"}}"#);
    for password in ["wrong-secret", r#"wrong-secret "quoted\"#] {
        let error = home.files().store("r.example", "me", password).unwrap_err();
        let text =
            format!("{error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(text.contains("echo") && !text.contains("wrong-secret"), "{text}");
    }
}
