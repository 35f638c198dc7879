//! The registry without a cluster: made, found again, mended, put in the place of another one, and its
//! images with it whatever happens; what is not wharf's is named and left alone.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::containerfile::DEBIAN;
use crate::ground::Ground;
use crate::machine;
use crate::watched::Moment;

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("a_registry_is_made_and_found_again", a_registry_is_made_and_found_again),
        ("a_registry_is_mended_in_place", a_registry_is_mended_in_place),
        ("an_older_registry_is_replaced_with_its_images", an_older_registry_is_replaced),
        ("a_registry_opened_to_all_is_closed", a_registry_opened_to_all_is_closed),
        ("a_foreign_registry_is_named_and_left_alone", a_foreign_registry_is_left_alone),
        ("a_foreign_registry_is_taken_over_with_its_images", a_foreign_registry_is_taken_over),
        ("a_foreign_folder_is_gone_on_with", a_foreign_folder_is_gone_on_with),
        ("killed_at_any_step_no_image_is_lost", killed_at_any_step_no_image_is_lost),
        ("a_port_in_use_names_its_owner", a_port_in_use_names_its_owner),
        ("a_network_is_kinds_own", a_network_is_kinds_own),
        ("down_keeps_the_images_up_finds_them", down_keeps_the_images),
    ]
}

pub(crate) const REGISTRY: &str = "kind-registry";
const VOLUME: &str = "kind-registry-data";
/// The image `registry:2`, around the program that Debian builds.
const FOREIGN: &str = "localhost/registry:2";

/// `wharf up` of a registry alone, which must succeed.
pub(crate) fn up<const N: usize>(ground: &Ground, options: [&str; N]) {
    command::run(ground.up(["--no-cluster"]).args(options));
}

/// The same, which must fail; gives what it said.
pub(crate) fn refused(ground: &Ground) -> String {
    let output = command::output(&mut ground.up(["--no-cluster"]));
    assert!(!output.status.success(), "{}", command::words(&output));
    command::words(&output)
}

/// The same on another port.
fn refused_at(ground: &Ground, port: u16) -> String {
    let mut up = ground.wharf(["up", "--no-cluster", "--port", &port.to_string()]);
    let output = command::output(&mut up);
    assert!(!output.status.success(), "{}", command::words(&output));
    command::words(&output)
}

/// What a container is made of.
pub(crate) fn inspect(ground: &Ground, container: &str) -> Value {
    let printed = command::run(&mut ground.podman(["container", "inspect", container]));
    serde_json::from_str::<Value>(&printed).unwrap()[0].take()
}

/// The volume or folder of the registry's store.
fn store(ground: &Ground) -> String {
    let mounts = inspect(ground, REGISTRY)["Mounts"].take();
    let mut mounts = mounts.as_array().unwrap().iter();
    let at_root = |it: &&Value| it["Destination"] == "/var/lib/registry";
    let mount = mounts.find(at_root).expect("a store").clone();
    let name = if mount["Type"] == "volume" { "Name" } else { "Source" };
    mount[name].as_str().unwrap().to_owned()
}

/// Asks the registry on its port for a path; gives the body, if it answers with 200.
fn get(ground: &Ground, path: &str) -> Option<String> {
    let url = format!("http://127.0.0.1:{}{path}", ground.port());
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let mut curl = ground.command("curl");
    let output = command::output(curl.args(["-fsS", "--max-time", "5", "-H", accept, &url]));
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Pushes a small image by a road.
fn push(ground: &Ground, image: &str, road: &str) {
    let local = format!("localhost/{image}");
    ground.build_greeter(&local, image);
    let registry = ground.registry();
    let push = ["push", "--quiet", "--via", road, "--registry", &registry, &local];
    command::run(&mut ground.wharf(push));
}

/// Whether an image is there with all its layers.
pub(crate) fn has(ground: &Ground, image: &str) -> bool {
    let (name, tag) = image.split_once(':').unwrap();
    let Some(manifest) = get(ground, &format!("/v2/{name}/manifests/{tag}")) else { return false };
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert!(!layers.is_empty());
    layers.iter().chain([&manifest["config"]]).all(|blob| {
        let digest = blob["digest"].as_str().unwrap();
        let url = format!("http://127.0.0.1:{}/v2/{name}/blobs/{digest}", ground.port());
        let mut curl = ground.command("curl");
        let blob = command::output(curl.args(["-fsS", "--max-time", "5", "--output", "-", &url]));
        let found = wharf_oci::Digest::of(wharf_oci::Algorithm::Sha256, &blob.stdout);
        blob.status.success() && found.to_string() == digest
    })
}

/// The changing calls of what was run since the calls were forgotten, each as `podman verb`.
fn changes(ground: &Ground) -> Vec<String> {
    let calls = ground.changes();
    let words = |arguments: &[String]| match arguments[0].as_str() {
        "network" | "secret" | "volume" | "image" => arguments[..2].join(" "),
        verb => verb.to_owned(),
    };
    calls.iter().map(|call| words(&call.arguments)).collect()
}

fn a_registry_is_made_and_found_again(ground: &Ground) {
    let before = ground.inventory();
    up(ground, []);
    assert_eq!(get(ground, "/v2/").as_deref(), Some("{}"));
    let made = inspect(ground, REGISTRY);
    assert_eq!(made["Config"]["Hostname"], REGISTRY);
    assert_eq!(made["HostConfig"]["RestartPolicy"]["Name"], "always");
    let ports = &made["NetworkSettings"]["Ports"]["5000/tcp"];
    assert_eq!(ports[0]["HostIp"], "127.0.0.1");
    assert_eq!(ports.as_array().unwrap().len(), 1);
    assert_eq!(store(ground), VOLUME);
    let secret = ground.home().join(".config/wharf/ingest-secret");
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let standing = ground.inventory();
    for change in before.changes(&standing) {
        assert!(change.starts_with('+'), "{change}");
    }
    ground.forget_calls();
    up(ground, []);
    assert_eq!(changes(ground), [""; 0]);
    standing.assert_same(&ground.inventory(), &[]);
}

fn a_registry_is_mended_in_place(ground: &Ground) {
    up(ground, []);
    let id = inspect(ground, REGISTRY)["Id"].take();
    let podman = |words: &[&str]| drop(command::run(ground.podman([]).args(words)));
    let is_sound = |what: &str, expected: &[&str]| {
        ground.forget_calls();
        up(ground, []);
        assert_eq!(changes(ground), expected, "{what}");
        assert_eq!(inspect(ground, REGISTRY)["Id"], id, "{what}");
        let networks = inspect(ground, REGISTRY)["NetworkSettings"]["Networks"].take();
        let aliases = networks["kind"]["Aliases"].as_array().unwrap();
        assert!(aliases.contains(&REGISTRY.into()), "{what}: {aliases:?}");
        assert!(get(ground, "/v2/").is_some(), "{what}");
    };
    podman(&["stop", REGISTRY]);
    is_sound("stopped", &["start"]);
    podman(&["network", "disconnect", "kind", REGISTRY]);
    is_sound("disconnected", &["network connect"]);
    podman(&["network", "disconnect", "kind", REGISTRY]);
    podman(&["network", "connect", "kind", REGISTRY]);
    is_sound("without its name", &["network disconnect", "network connect"]);
    podman(&["network", "disconnect", "kind", REGISTRY]);
    podman(&["stop", REGISTRY]);
    is_sound("disconnected and stopped", &["network connect", "start"]);
}

/// Runs a registry as an older wharf did, with the same volume.
fn run_older(ground: &Ground, publish: &str) {
    let current = ground.load_wharf();
    let context = tempfile::tempdir().unwrap();
    fs::write(context.path().join("Containerfile"), format!("FROM {current}\nLABEL old=er\n"))
        .unwrap();
    let older = "localhost/wharf:0.0.1";
    command::run(ground.podman(["build", "--quiet", "--tag", older]).arg(context.path()));
    command::run(&mut ground.podman(["network", "create", "kind"]));
    let volume = format!("{VOLUME}:/var/lib/registry");
    let mut run = ground.podman(["run", "--detach", "--name", REGISTRY, "--network", "kind"]);
    run.args(["--publish", publish, "--volume", &volume, "--label", "wharf.setup=0.0.1", older]);
    command::run(&mut run);
    command::wait_for("the registry to answer", || get(ground, "/v2/"));
}

fn an_older_registry_is_replaced(ground: &Ground) {
    run_older(ground, &format!("127.0.0.1:{}:5000", ground.port()));
    push(ground, "kept:1", "stream");
    let told = command::output(&mut ground.up(["--no-cluster"]));
    let words = command::words(&told);
    assert!(words.contains("runs localhost/wharf:0.0.1, not localhost/wharf:"), "{words}");
    assert_eq!(store(ground), VOLUME);
    assert_ne!(inspect(ground, REGISTRY)["ImageName"], "localhost/wharf:0.0.1");
    assert!(has(ground, "kept:1"));
    ground.forget_calls();
    up(ground, []);
    assert_eq!(changes(ground), [""; 0]);
    command::run(&mut ground.podman(["rmi", "localhost/wharf:0.0.1"]));
}

fn a_registry_opened_to_all_is_closed(ground: &Ground) {
    run_older(ground, &format!("{}:5000", ground.port()));
    push(ground, "kept:1", "stream");
    let told = command::output(&mut ground.up(["--no-cluster"]));
    assert!(command::words(&told).contains("reached from other machines"), "{told:?}");
    let ports = inspect(ground, REGISTRY)["NetworkSettings"]["Ports"]["5000/tcp"].take();
    assert_eq!(ports[0]["HostIp"], "127.0.0.1");
    assert!(has(ground, "kept:1"));
    command::run(&mut ground.podman(["rmi", "localhost/wharf:0.0.1"]));
}

/// Runs registry:2 under our registry's name, with a volume that has no name, or the given one, and an image in it.
fn run_foreign(ground: &Ground, store: &str) {
    let exists = ["image", "exists", FOREIGN];
    if !command::output(&mut ground.podman(exists)).status.success() {
        let context = tempfile::tempdir().unwrap();
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/images/registry-2");
        for entry in fs::read_dir(sources).unwrap().map(|entry| entry.unwrap()) {
            fs::copy(entry.path(), context.path().join(entry.file_name())).unwrap();
        }
        let program = machine::find("docker-registry").expect("checked before the tests began");
        fs::copy(program, context.path().join("docker-registry")).unwrap();
        let build = ["build", "--quiet", "--isolation", "chroot", "--tag", FOREIGN];
        command::run(ground.podman(build).arg(context.path()));
    }
    let publish = format!("127.0.0.1:{}:5000", ground.port());
    let run = ["run", "--detach", "--name", REGISTRY, "--restart=always", "--publish", &publish];
    command::run(ground.podman(run).args(["--volume", store, FOREIGN]));
    command::wait_for("registry:2 to answer", || get(ground, "/v2/"));
    push(ground, "theirs:1", "stream");
}

fn a_foreign_registry_is_left_alone(ground: &Ground) {
    run_foreign(ground, "/var/lib/registry");
    let (foreign, before) = (inspect(ground, REGISTRY), store(ground));
    let words = refused(ground);
    for word in [REGISTRY, FOREIGN, "was not made by wharf", "--replace-registry"] {
        assert!(words.contains(word), "no {word} in {words}");
    }
    let now = inspect(ground, REGISTRY);
    for field in ["Id", "State"] {
        assert_eq!(now[field], foreign[field]);
    }
    command::run(&mut ground.wharf(["down", "--data"]));
    assert_eq!(inspect(ground, REGISTRY)["Id"], foreign["Id"]);
    assert_eq!(store(ground), before);
    assert!(has(ground, "theirs:1"));
}

fn a_foreign_registry_is_taken_over(ground: &Ground) {
    run_foreign(ground, "/var/lib/registry");
    let volume = store(ground);
    up(ground, ["--replace-registry"]);
    assert_eq!(inspect(ground, REGISTRY)["ImageName"], ground.load_wharf());
    assert_eq!(store(ground), volume);
    assert!(has(ground, "theirs:1"));
    push(ground, "ours:1", "ingest");

    // It is ours now, and all of it is found again without the word.
    ground.forget_calls();
    up(ground, []);
    assert_eq!(changes(ground), [""; 0]);

    // Without the container, nobody but the receipt knows the volume.
    let down = command::output(&mut ground.wharf(["down"]));
    assert!(down.status.success(), "{}", command::words(&down));
    assert!(command::words(&down).contains(&volume), "{}", command::words(&down));
    up(ground, []);
    assert_eq!(store(ground), volume);
    assert!(has(ground, "theirs:1") && has(ground, "ours:1"));
    command::run(&mut ground.wharf(["down", "--data"]));
    let left = command::run(&mut ground.podman(["volume", "ls", "--quiet"]));
    assert_eq!(left, "");
}

fn a_foreign_folder_is_gone_on_with(ground: &Ground) {
    let folder = ground.home().join("images");
    fs::create_dir(&folder).unwrap();
    run_foreign(ground, &format!("{}:/var/lib/registry", folder.display()));
    up(ground, ["--replace-registry"]);
    assert_eq!(Path::new(&store(ground)), folder);
    assert!(has(ground, "theirs:1"));
    let down = command::output(&mut ground.wharf(["down", "--data"]));
    let words = command::words(&down);
    assert!(words.contains(&format!("the folder {} stays", folder.display())), "{words}");
    assert!(folder.join("docker/registry/v2/repositories/theirs").is_dir());
}

/// A registry:2 with a volume that nothing but its container leads to.
fn killed_at_any_step_no_image_is_lost(ground: &Ground) {
    for number in 1.. {
        ground.clean();
        run_foreign(ground, "/var/lib/registry");
        let volume = store(ground);
        let mut command = ground.up(["--no-cluster", "--replace-registry"]);
        let ended = ground.interrupt(&mut command, Moment::After(number));
        if let Some(ended) = &ended {
            assert!(ended.status.success(), "{}", command::words(ended));
            assert!(number > 4, "only {number} changes");
        }
        up(ground, ["--replace-registry"]);
        assert_eq!(store(ground), volume, "killed after change {number}");
        assert!(has(ground, "theirs:1"), "killed after change {number}");
        let containers = ["ps", "--all", "--format", "{{.Names}}"];
        assert_eq!(command::run(&mut ground.podman(containers)), REGISTRY);
        if ended.is_some() {
            break;
        }
    }
}

fn a_port_in_use_names_its_owner(ground: &Ground) {
    up(ground, []);
    push(ground, "kept:1", "stream");
    let standing = ground.inventory();
    let names = |port: u16, owner: &str| {
        let words = refused_at(ground, port);
        assert!(
            words.contains(&format!("port {port} of this machine is taken by {owner}")),
            "{words}"
        );
        let other: u16 =
            words.split("--port ").nth(1).unwrap().split('`').next().unwrap().parse().unwrap();
        assert!(other > port, "{words}");
        drop(TcpListener::bind(("127.0.0.1", other)).unwrap());
        assert!(words.contains("pods go on using kind-registry:5000"), "{words}");
        assert!(has(ground, "kept:1"), "the running registry was harmed");
    };

    // This test is the process.
    let process = TcpListener::bind("127.0.0.1:0").unwrap();
    names(process.local_addr().unwrap().port(), "kind-");
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    names(everywhere.local_addr().unwrap().port(), "kind-");
    // A run that failed on its way owes a proof, and has written that down.
    let owed = "~ file .local/state/wharf/setup-kind-registry.json";
    standing.assert_same(&ground.inventory(), &[owed]);

    let port = machine::free_port();
    let publish = format!("127.0.0.1:{port}:80");
    let run = ["run", "--detach", "--name", "squatter", "--publish", &publish, DEBIAN];
    command::run(ground.podman(run).args(["sleep", "600"]));
    names(port, &format!("the container squatter ({DEBIAN})"));
    standing.assert_same(&ground.inventory(), &[owed, "+ container squatter"]);

    // Nor where there is no registry yet: the port is taken before anything runs.
    command::run(&mut ground.wharf(["down", "--data"]));
    let words = refused_at(ground, port);
    assert!(words.contains("taken by the container squatter"), "{words}");
    let all = ["ps", "--all", "--format", "{{.Names}}"];
    assert_eq!(command::run(&mut ground.podman(all)), "squatter");
}

fn a_network_is_kinds_own(ground: &Ground) {
    let network = || {
        let printed = command::run(&mut ground.podman(["network", "inspect", "kind"]));
        let mut network = serde_json::from_str::<Value>(&printed).unwrap()[0].take();
        let changing = ["id", "created", "network_interface"];
        for field in changing {
            network.as_object_mut().unwrap().remove(field);
        }
        network
    };
    up(ground, []);
    let ours = network();
    command::run(&mut ground.wharf(["down"]));
    let gone = command::output(&mut ground.podman(["network", "exists", "kind"]));
    assert!(!gone.status.success());
    let image = crate::ground::NODE_IMAGE;
    command::run(&mut ground.kind(["create", "cluster", "--name", "first", "--image", image]));
    assert_eq!(ours["subnets"][0], network()["subnets"][0]);
    assert_eq!(ours, network());

    // What Kind made is not taken away.
    up(ground, []);
    command::run(&mut ground.kind(["delete", "cluster", "--name", "first"]));
    command::run(&mut ground.wharf(["down"]));
    command::run(&mut ground.podman(["network", "rm", "kind"]));

    // One without names that somebody made is named, with what is on it, and left.
    command::run(&mut ground.podman(["network", "create", "--disable-dns", "kind"]));
    let run = ["run", "--detach", "--name", "guest", "--network", "kind", DEBIAN, "sleep", "600"];
    command::run(&mut ground.podman(run));
    let words = refused(ground);
    assert!(words.contains("has DNS turned off") && words.contains("guest"), "{words}");
    command::run(&mut ground.podman(["rm", "--force", "--time=0", "guest"]));
    let words = refused(ground);
    assert!(words.contains("podman network rm kind"), "{words}");
    command::run(&mut ground.podman(["network", "rm", "kind"]));
    up(ground, []);
    assert_eq!(network(), ours);
}

fn down_keeps_the_images(ground: &Ground) {
    let before = ground.inventory();
    up(ground, []);
    push(ground, "kept:1", "ingest");
    let down = command::output(&mut ground.wharf(["down"]));
    assert!(down.status.success(), "{}", command::words(&down));
    assert!(command::words(&down).contains(VOLUME), "{}", command::words(&down));
    up(ground, []);
    assert!(has(ground, "kept:1"));
    command::run(&mut ground.wharf(["down", "--data"]));
    command::run(&mut ground.wharf(["down", "--data"]));
    let changes = before.changes(&ground.inventory());
    let left: Vec<_> = changes.iter().filter(|change| !change.starts_with("+ image")).collect();
    let receipt = |it: &&&String| it.contains("setup-kind-registry.json");
    assert!(left.iter().all(|it| receipt(&it)), "{left:?}");
}
