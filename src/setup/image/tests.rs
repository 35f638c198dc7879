//! What the step does about images that the engine answers with, and what it leaves alone.

use super::*;
use crate::image::sources::tests::sources;
use crate::process::recorded::Answer;
use crate::setup::site::tests::site;

/// The step of a program of six bytes, for amd64, with or without sources.
fn step(sources: fn() -> Option<Sources>) -> OwnImage {
    let running = || Ok(Program { bytes: b"wharf!"[..].into(), architecture: Architecture::Amd64 });
    OwnImage { running, sources }
}

/// The step as it is in a program for macOS.
pub fn on_a_mac() -> OwnImage {
    let running = || {
        let path = "/opt/homebrew/bin/wharf".into();
        Err(ProgramError::NotLinux { path, kind: "a macOS program" }.into())
    };
    OwnImage { running, sources: || Some(sources()) }
}

/// The step of a program for Linux and amd64.
pub fn on_linux() -> OwnImage {
    step(|| None)
}

fn image_of(step: &OwnImage) -> image::Image {
    image::Image::of(&(step.running)().unwrap())
}

fn info(architecture: &str) -> Answer {
    Ok(format!(
        r#"{{"host":{{"arch":"{architecture}"}},"store":{{"graphRoot":"/x"}},
            "version":{{"Version":"5.6.2"}}}}"#
    )
    .into())
}

fn inspected(id: &str, labels: &str) -> Answer {
    named(id, labels, "")
}

fn named(id: &str, labels: &str, names: &str) -> Answer {
    Ok(format!(
        r#"[{{"Id":"{id}","Architecture":"arm64","RepoTags":[{names}],
            "Config":{{"Labels":{{{labels}}}}}}}]"#
    )
    .into())
}

fn absent() -> Answer {
    Err("Error: localhost/wharf:1.0.0: image not known".into())
}

/// The label of our own images.
const WHARF: &str = r#""org.opencontainers.image.title":"wharf""#;

#[test]
fn the_image_of_this_program_is_known_by_its_id() {
    let step = step(|| None);
    let image = image_of(&step);
    for digest in [image.config.descriptor.digest, image.digest()] {
        let id = format!("sha256:{}", digest.hex());
        let (site, recorded) =
            site([("podman info", info("amd64")), ("podman image", inspected(&id, ""))]);
        assert_eq!(step.check(&site).unwrap()[0].level, super::super::Level::Ok);
        step.apply(&site).unwrap();
        assert!(!recorded.lines().contains(&"podman load".into()));
        assert_eq!(site.receipt.made(), []);
    }
}

#[test]
fn an_image_that_is_missing_is_loaded() {
    let step = step(|| None);
    let (site, recorded) = site([
        ("podman info", info("amd64")),
        ("podman image", absent()),
        ("podman load", Ok(Vec::new())),
    ]);
    let found = step.check(&site).unwrap();
    assert!(found[0].is_fault() && found[0].mendable, "{found:?}");
    step.apply(&site).unwrap();
    assert!(recorded.lines().contains(&"podman load".into()));
    let digest = image_of(&step).config.descriptor.digest;
    let archive = String::from_utf8_lossy(&recorded.inputs()[0]).into_owned();
    assert!(archive.contains(&digest.hex()), "the archive has another image");
    assert_eq!(site.receipt.made(), [Made::Image { name: "localhost/wharf:1.0.0".into() }]);
}

#[test]
fn an_older_image_of_ours_is_removed_when_nothing_uses_it_and_nobody_named_it() {
    let ours = Made::Image { name: "localhost/wharf:1.0.0".into() };
    for (labels, names, is_removed) in [
        (WHARF, "", true),
        (WHARF, r#""localhost/kept:1""#, false),
        // Somebody else's, under our name.
        ("", "", false),
    ] {
        let old = "0".repeat(64);
        let (site, recorded) = site([
            ("podman info", info("amd64")),
            ("podman image inspect", named(&old, labels, names)),
            ("podman ps", Ok(Vec::new())),
            ("podman load", Ok(Vec::new())),
            ("podman image rm", Ok(Vec::new())),
        ]);
        let step = step(|| None);
        site.note(ours.clone()).unwrap();
        assert_eq!(step.check(&site).unwrap()[0].words, "is of another wharf than this");
        step.apply(&site).unwrap();
        let removed = recorded.lines().contains(&format!("podman image rm {old}"));
        assert_eq!(removed, is_removed, "{labels} {names}");
        assert_eq!(site.receipt.made(), std::slice::from_ref(&ours));
    }
}

#[test]
fn an_image_that_a_container_is_made_of_stays() {
    let step = step(|| None);
    let (mut site, recorded) = site([
        ("podman info", info("amd64")),
        ("podman image inspect", inspected(&"0".repeat(64), WHARF)),
        ("podman ps", Ok(b"kind-registry\n".to_vec())),
    ]);
    site.config.removal.image = true;
    site.note(Made::Image { name: "localhost/wharf:1.0.0".into() }).unwrap();
    step.undo(&site).unwrap();
    assert!(!recorded.lines().iter().any(|line| line.contains("image rm")));
    assert_eq!(site.receipt.made().len(), 1);
}

#[test]
fn an_image_goes_only_where_that_is_asked_for() {
    let step = step(|| None);
    let (mut site, recorded) = site([
        ("podman image inspect", inspected(&"0".repeat(64), WHARF)),
        ("podman ps", Ok(Vec::new())),
        ("podman image rm", Ok(Vec::new())),
    ]);
    site.note(Made::Image { name: "localhost/wharf:1.0.0".into() }).unwrap();
    step.undo(&site).unwrap();
    assert_eq!(recorded.lines(), [""; 0]);
    site.config.removal.image = true;
    step.undo(&site).unwrap();
    assert!(recorded.lines().contains(&"podman image rm localhost/wharf:1.0.0".into()));
    assert_eq!(site.receipt.made(), []);
}

#[test]
fn an_image_of_somebody_elses_stays_whatever_the_receipt_says() {
    let step = step(|| None);
    let (mut site, recorded) = site([
        ("podman image inspect", inspected(&"0".repeat(64), "")),
        ("podman ps", Ok(Vec::new())),
    ]);
    site.config.removal.image = true;
    site.note(Made::Image { name: "localhost/precious:1".into() }).unwrap();
    step.undo(&site).unwrap();
    assert!(!recorded.lines().iter().any(|line| line.contains("image rm")));
}

#[test]
fn for_another_processor_it_is_built_of_the_sources() {
    let step = step(|| Some(sources()));
    let digest = sources().digest();
    let (site, recorded) = site([
        ("podman info", info("arm64")),
        ("podman image inspect", absent()),
        ("podman build", Ok(Vec::new())),
    ]);
    let found = step.check(&site).unwrap();
    assert!(found[0].mendable && found[0].fix.as_ref().unwrap().contains("minutes"));
    step.apply(&site).unwrap();
    let build = format!(
        "podman build --layers=false --label={VERSION_LABEL}={VERSION} \
         --label=wharf.sources={digest} --tag localhost/wharf:1.0.0 -"
    );
    assert!(recorded.lines().contains(&build), "{:?}", recorded.lines());
    assert_eq!(recorded.inputs(), [sources().archive()]);
    assert_eq!(site.receipt.made(), [Made::Image { name: "localhost/wharf:1.0.0".into() }]);
}

#[test]
fn an_image_of_other_sources_is_told_from_one_of_these() {
    let step = step(|| Some(sources()));
    let digest = sources().digest();
    for (labels, is_ok) in [
        (format!(r#""wharf.sources":"{digest}""#), true),
        (format!(r#""{VERSION_LABEL}":"{VERSION}","wharf.sources":"sha256:0""#), false),
    ] {
        let (site, _) =
            site([("podman info", info("arm64")), ("podman image", inspected("0", &labels))]);
        assert_eq!(!step.check(&site).unwrap()[0].is_fault(), is_ok, "{labels}");
    }
}

#[test]
fn without_sources_another_processor_is_left_to_the_user() {
    let step = step(|| None);
    let (site, _) = site([("podman info", info("arm64")), ("podman image", absent())]);
    let found = step.check(&site).unwrap();
    assert!(!found[0].mendable && found[0].fix.as_ref().unwrap().contains("--program FILE"));
    assert!(step.apply(&site).unwrap_err().to_string().contains("arm64"));
    let given = format!(r#""{VERSION_LABEL}":"{VERSION}""#);
    let (site, _) = super::tests::site([
        ("podman info", info("arm64")),
        ("podman image", inspected("0", &given)),
    ]);
    assert!(!step.check(&site).unwrap()[0].is_fault());
}
