//! Manifests in all the forms that people have them in: kustomizations of their own, several folders,
//! files that are none; and names that cannot be told apart.

use super::{MANIFESTS, PROJECT, Stage, Story, failed, images, outcome, said};
use crate::repository::Repository;

#[test]
fn a_kustomization_of_the_users_is_built_upon() {
    let Some(stage) = Stage::new(Story::Starts, "a kustomization of the user's") else { return };
    std::fs::remove_dir_all(stage.path("deploy")).unwrap();
    stage.write("deploy/base/kustomization.yaml", "resources: [moon.yaml]\n");
    stage.write("deploy/base/moon.yaml", MANIFESTS);
    // Kustomize before version 2.1 calls them so, and later ones still understand it.
    let overlay = "bases: [../base]\nnamePrefix: dev-\ncommonLabels: {stage: dev}\n";
    stage.write("deploy/dev/kustomization.yaml", overlay);
    stage.write("wharf.toml", &PROJECT.replace("'deploy'", "'deploy/dev'"));
    let before = stage.files();
    let (stdout, _) = said(&mut stage.deploy([]));
    assert_eq!(stdout, "deployment/dev-moon-server\n");
    let path = super::DEPLOYMENT.replace("moon-server", "dev-moon-server");
    let applied = stage.cluster.object(&path);
    assert_eq!(images(&applied)[1], stage.pinned());
    assert_eq!(applied["spec"]["selector"]["matchLabels"]["stage"], "dev");
    assert_eq!(stage.files(), before, "files of the user's were changed");
}

#[test]
fn what_is_no_manifest_is_left_out_and_said() {
    let Some(stage) = Stage::new(Story::Starts, "files that are no manifests") else { return };
    stage.write("deploy/values.yaml", "replicas: 2\n");
    let (_, stderr) = said(&mut stage.deploy(["--no-wait"]));
    assert!(stderr.contains("deploy/values.yaml is left out"), "{stderr}");
    stage.write("deploy/chart.yaml", "name: {{ .Values.name }}\n");
    let words = failed(&mut stage.deploy([]), 1);
    assert!(words.contains("chart.yaml") && words.contains("helm"), "{words}");
}

#[test]
fn a_namespace_holds_for_everything() {
    let Some(stage) = Stage::new(Story::Starts, "a deployment into a namespace") else { return };
    stage.write("wharf.toml", &format!("namespace = 'demo'\n{PROJECT}"));
    said(&mut stage.deploy(["--no-wait"]));
    stage.cluster.object(&super::DEPLOYMENT.replace("default", "demo"));
    said(&mut stage.deploy(["--no-wait", "--namespace", "other"]));
    stage.cluster.object(&super::DEPLOYMENT.replace("default", "other"));
}

#[test]
fn images_that_kustomize_cannot_tell_apart_are_refused() {
    let Some(stage) = Stage::new(Story::Starts, "two tags of one image") else { return };
    Repository::new(&stage.registry, "moon-server").push_named("v2");
    let second = "[[image]]\nname = 'moon-server:v2'\n";
    stage.write("wharf.toml", &format!("{PROJECT}{second}"));
    let words = failed(&mut stage.deploy([]), 2);
    assert!(words.contains("moon-server:v1.0.0 and moon-server:v2"), "{words}");
    // One that no manifest names is in nobody's way, and is said.
    stage.write("wharf.toml", &format!("{PROJECT}[[image]]\nname = 'base:1'\n"));
    let (code, _, stderr) = outcome(&mut stage.deploy(["--no-wait"]));
    assert!(code == 0 && stderr.contains("base:1: no manifest names it"), "{stderr}");
}

#[test]
fn a_project_without_manifests_cannot_be_deployed() {
    let Some(stage) = Stage::new(Story::Starts, "a project without manifests") else { return };
    stage.write("wharf.toml", &PROJECT.replace("manifests = 'deploy'\n", ""));
    let words = failed(&mut stage.deploy([]), 2);
    assert!(words.contains("names no manifests"), "{words}");
    stage.write("wharf.toml", &PROJECT.replace("'deploy'", "'moon-server'"));
    let words = failed(&mut stage.deploy([]), 1);
    assert!(words.contains("moon-server"), "{words}");
}
