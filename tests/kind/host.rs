//! What `wharf up` does on the host beside containers: wharf's own image, the rule for a plain
//! `podman push`, and what starts the registry after a reboot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::Run;
use crate::command;
use crate::containerfile::DEBIAN;
use crate::ground::Ground;
use crate::up::{NOT_OURS, but_for};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("the_image_of_this_wharf_is_loaded", the_image_of_this_wharf_is_loaded),
        ("a_plain_podman_push_goes_by_http_where_asked", a_plain_podman_push_goes_by_http),
        ("a_foreign_rule_is_left_alone", a_foreign_rule_is_left_alone),
        ("a_short_name_is_that_of_what_is_here", a_short_name_is_that_of_what_is_here),
        ("a_rule_that_became_the_users_is_left_alone", a_rule_that_became_the_users_is_left_alone),
        ("autostart_enables_podmans_unit_and_disables_it", autostart_enables_podmans_unit),
        ("autostart_without_systemd_is_only_said", autostart_without_systemd_is_only_said),
    ]
}

/// `wharf up` of a registry alone, with options; gives everything it said.
fn up<const N: usize>(ground: &Ground, options: [&str; N]) -> String {
    said(ground.up(["--no-cluster"]).args(options))
}

/// Runs a command that must succeed; gives everything it said.
fn said(command: &mut Command) -> String {
    let output = command::output(command);
    let words = command::words(&output);
    assert!(output.status.success(), "{command:?}\n{words}");
    words
}

/// The name of wharf's image, whether it is there or not.
fn image(ground: &Ground) -> String {
    let version = command::run(&mut ground.wharf(["--version"]));
    format!("localhost/wharf:{}", version.strip_prefix("wharf ").expect("a version"))
}

/// The id of an image, if there is one of that name.
fn id(ground: &Ground, image: &str) -> Option<String> {
    let inspect = ["image", "inspect", "--format", "{{.Id}}", image];
    let output = command::output(&mut ground.podman(inspect));
    output.status.success().then(|| command::words(&output).trim().to_owned())
}

fn the_image_of_this_wharf_is_loaded(ground: &Ground) {
    let name = image(ground);
    command::output(&mut ground.podman(["image", "rm", "--force", &name]));
    up(ground, []);
    let own = id(ground, &name).expect("the image is there");
    let of_container = ["container", "inspect", "--format", "{{.Image}}", "kind-registry"];
    assert_eq!(command::run(&mut ground.podman(of_container)), own);

    // Another image of that name, as an older wharf's would be.
    command::run(&mut ground.podman(["tag", DEBIAN, &name]));
    let doctor = command::output(&mut ground.wharf(["doctor"]));
    assert!(!doctor.status.success(), "the doctor sees another image");
    assert!(command::words(&doctor).contains("another wharf"), "{}", command::words(&doctor));
    up(ground, []);
    assert_eq!(id(ground, &name), Some(own.clone()));
    assert_eq!(command::run(&mut ground.podman(of_container)), own);
    assert!(id(ground, DEBIAN).is_some(), "the image that had the name is kept");

    said(&mut ground.wharf(["down", "--data"]));
    assert_eq!(id(ground, &name), Some(own), "the image is kept unless asked for");
    said(&mut ground.wharf(["down", "--image"]));
    assert_eq!(id(ground, &name), None);
    said(&mut ground.wharf(["down", "--image"]));
}

/// The file that allows HTTP.
pub(crate) fn rule(ground: &Ground) -> PathBuf {
    ground.home().join(".config/containers/registries.conf.d/50-wharf-kind-registry.conf")
}

/// A plain `podman push`; its words if it fails.
fn plain_push(ground: &Ground) -> Result<(), String> {
    ground.build_greeter("localhost/greeter:1", "hello");
    let target = format!("{}/greeter:1", ground.registry());
    let output = command::output(&mut ground.podman(["push", "localhost/greeter:1", &target]));
    if output.status.success() { Ok(()) } else { Err(command::words(&output)) }
}

fn a_plain_podman_push_goes_by_http(ground: &Ground) {
    up(ground, []);
    let refused = plain_push(ground).unwrap_err();
    assert!(refused.contains("HTTP response to HTTPS client"), "{refused}");
    assert!(!rule(ground).exists(), "nobody asked for it");

    up(ground, ["--podman-push"]);
    plain_push(ground).unwrap();
    // It is kept in order by later runs, which are not told again, and by the doctor.
    fs::remove_file(rule(ground)).unwrap();
    up(ground, []);
    plain_push(ground).unwrap();
    fs::remove_file(rule(ground)).unwrap();
    plain_push(ground).unwrap_err();
    let doctor = command::output(&mut ground.wharf(["doctor"]));
    let named = format!("podman push: asks {} for TLS", ground.registry());
    assert!(!doctor.status.success(), "the doctor sees that the file is gone");
    assert!(command::words(&doctor).contains(&named), "{}", command::words(&doctor));
    said(&mut ground.wharf(["doctor", "--fix"]));
    plain_push(ground).unwrap();

    said(&mut ground.wharf(["down", "--data"]));
    assert!(!rule(ground).exists());
}

fn a_foreign_rule_is_left_alone(ground: &Ground) {
    let text = "# mine\n";
    fs::create_dir_all(rule(ground).parent().unwrap()).unwrap();
    fs::write(rule(ground), text).unwrap();
    let output = command::output(ground.up(["--no-cluster"]).arg("--podman-push"));
    let words = command::words(&output);
    assert!(!output.status.success() && words.contains("50-wharf-kind-registry.conf"), "{words}");
    assert_eq!(fs::read_to_string(rule(ground)).unwrap(), text);

    // A rule of the user's own that says the same is enough.
    let own = rule(ground).with_file_name("90-own.conf");
    let allowed = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", ground.registry());
    fs::write(&own, allowed).unwrap();
    up(ground, ["--podman-push"]);
    plain_push(ground).unwrap();
    said(&mut ground.wharf(["down", "--data"]));
    assert_eq!(fs::read_to_string(rule(ground)).unwrap(), text);
    assert!(own.exists());
}

/// As Fedora and Podman's virtual machines are set: several registries may have an image, and nobody is
/// there to choose one.
const SHORT_NAMES: &str = "\
unqualified-search-registries = [\"registry.fedoraproject.org\", \"docker.io\"]
short-name-mode = \"enforcing\"
";

fn a_short_name_is_that_of_what_is_here(ground: &Ground) {
    let (rules, context) = (ground.home().join("registries.conf"), ground.home().join("context"));
    fs::write(&rules, SHORT_NAMES).unwrap();
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Containerfile"), "FROM early:1\nLABEL a=b\n").unwrap();
    let podman = |words: &[&str]| {
        let mut command = ground.podman([]);
        command.args(words).env("CONTAINERS_REGISTRIES_CONF", &rules).current_dir(&context);
        let output = command::output(&mut command);
        (output.status.success(), command::words(&output))
    };
    let build = ["build", "--network=none", "--tag=late:1", "."];
    for words in [&build[..], &["pull", "early:1"], &["run", "--rm", "early:1"]] {
        let (done, said) = podman(words);
        let expected = "short-name resolution enforced but cannot prompt without a TTY";
        assert!(!done && said.contains(expected), "podman {words:?}: {said}");
    }
    // It is found by its short name when it was built here.
    ground.build_greeter("early:1", "hello");
    for words in [&build[..], &["run", "--rm", "--network=none", "early:1", "/greeter"]] {
        let (done, said) = podman(words);
        assert!(done, "podman {words:?}: {said}");
    }
    for image in ["localhost/late:1", "localhost/early:1"] {
        command::run(&mut ground.podman(["rmi", image]));
    }
}

fn a_rule_that_became_the_users_is_left_alone(ground: &Ground) {
    let before = ground.inventory();
    up(ground, ["--podman-push"]);
    plain_push(ground).unwrap();
    let text = "# mine, with nothing about this registry\n";
    fs::write(rule(ground), text).unwrap();
    let output = command::output(ground.up(["--no-cluster"]).arg("--podman-push"));
    let words = command::words(&output);
    assert!(!output.status.success() && words.contains("is not wharf's"), "{words}");
    let output = command::output(&mut ground.wharf(["doctor", "--fix"]));
    let words = command::words(&output);
    assert!(!output.status.success() && words.contains("is not wharf's"), "{words}");
    assert_eq!(fs::read_to_string(rule(ground)).unwrap(), text);

    said(&mut ground.wharf(["down", "--data", "--image"]));
    assert_eq!(fs::read_to_string(rule(ground)).unwrap(), text);
    fs::remove_file(rule(ground)).unwrap();
    let may = [&["+ image localhost/greeter:1"][..], &NOT_OURS].concat();
    but_for(&before, &ground.inventory(), &[], &may);
}

/// Whether Podman's unit is enabled, as [`with_systemctl`] keeps it.
pub(crate) fn unit(ground: &Ground) -> PathBuf {
    ground.home().join("systemd/state")
}

/// A `systemctl` for `command` that keeps in a file whether Podman's unit is enabled: the machine's own
/// would keep what a test enables.
pub(crate) fn with_systemctl<'a>(ground: &Ground, command: &'a mut Command) -> &'a mut Command {
    let state = unit(ground);
    let folder = state.parent().expect("a folder");
    fs::create_dir_all(folder).unwrap();
    if !state.exists() {
        fs::write(&state, "disabled\n").unwrap();
    }
    let script = format!(
        "#!/bin/sh\ncase \"$1 $2\" in\n\
         show\\ *) exec cat {0} ;;\n\
         'enable podman-restart.service') echo enabled >{0} ;;\n\
         'disable podman-restart.service') echo disabled >{0} ;;\n\
         *) echo \"unexpected: $*\" >&2; exit 1 ;;\nesac\n",
        state.display()
    );
    let file = folder.join("systemctl");
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    ground.show(command, &file)
}

fn autostart_enables_podmans_unit(ground: &Ground) {
    let state = unit(ground);
    said(with_systemctl(ground, ground.up(["--no-cluster"]).arg("--autostart")));
    assert_eq!(fs::read_to_string(&state).unwrap(), "enabled\n");
    said(with_systemctl(ground, &mut ground.wharf(["down", "--data"])));
    assert_eq!(fs::read_to_string(&state).unwrap(), "disabled\n");

    // One that was enabled before is none of ours.
    fs::write(&state, "enabled\n").unwrap();
    said(with_systemctl(ground, ground.up(["--no-cluster"]).arg("--autostart")));
    said(with_systemctl(ground, &mut ground.wharf(["down", "--data"])));
    assert_eq!(fs::read_to_string(&state).unwrap(), "enabled\n");
}

fn autostart_without_systemd_is_only_said(ground: &Ground) {
    let mut command = ground.up(["--no-cluster", "--autostart"]);
    with_systemctl(ground, &mut command);
    // What systemctl says where something else started the machine.
    let words = "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n";
    fs::write(ground.home().join("systemd/systemctl"), words).unwrap();
    let said = said(&mut command);
    assert!(said.contains("does not start after a reboot"), "{said}");
    assert!(said.contains("not been booted with systemd"), "{said}");
    assert!(id(ground, &image(ground)).is_some(), "all else stands");
}
