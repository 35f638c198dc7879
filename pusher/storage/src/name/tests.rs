//! Names as people type them, and the images that they mean.

use wharf_oci::Algorithm;

use super::*;

fn image(seed: &str, names: &[&str]) -> ImageRecord {
    ImageRecord {
        id: Digest::of(Algorithm::Sha256, seed.as_bytes()),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        digests: vec![Digest::of(Algorithm::Sha256, format!("manifest of {seed}").as_bytes())],
        asked: None,
        layer: None,
        root: 0,
    }
}

fn store() -> Vec<ImageRecord> {
    vec![
        image("built", &["localhost/app:latest", "localhost/app:v1"]),
        image("hub", &["docker.io/library/alpine:latest", "docker.io/library/app:v2"]),
        image("group", &["docker.io/group/tool:latest"]),
        image("own", &["localhost:5000/app:v3", "ghcr.io/me/deep/server:v1"]),
        image("other", &["quay.io/you/server:v1"]),
        image("pinned", &["quay.io/you/pinned@sha256:00"]),
        image("nameless", &[]),
    ]
}

#[test]
fn names_mean_what_podman_takes_them_for() {
    let images = store();
    let of = |seed: &str| Digest::of(Algorithm::Sha256, seed.as_bytes());
    let nameless = of("nameless").hex();
    let manifest = |seed: &str| of(&format!("manifest of {seed}"));
    let table = [
        ("app".to_owned(), "built"),
        ("app:v1".to_owned(), "built"),
        ("localhost/app".to_owned(), "built"),
        ("localhost/app:v1".to_owned(), "built"),
        ("app:v2".to_owned(), "hub"),
        ("alpine".to_owned(), "hub"),
        ("library/alpine".to_owned(), "hub"),
        ("docker.io/alpine".to_owned(), "hub"),
        ("index.docker.io/library/alpine:latest".to_owned(), "hub"),
        ("group/tool".to_owned(), "group"),
        ("tool".to_owned(), "group"),
        ("app:v3".to_owned(), "own"),
        ("localhost:5000/app:v3".to_owned(), "own"),
        ("deep/server:v1".to_owned(), "own"),
        ("you/server:v1".to_owned(), "other"),
        (nameless.clone(), "nameless"),
        (format!("sha256:{nameless}"), "nameless"),
        (nameless[..12].to_owned(), "nameless"),
        (format!("sha256:{}", &nameless[..12]), "nameless"),
        (nameless[..ID_PREFIX_MIN].to_owned(), "nameless"),
        (manifest("group").to_string(), "group"),
        (manifest("group").hex(), "group"),
        (format!("app@{}", manifest("built")), "built"),
        (format!("localhost/app:v9@{}", manifest("built")), "built"),
        (format!("other/name@{}", manifest("group")), "group"),
        (format!("quay.io/you/pinned@{}", manifest("pinned")), "pinned"),
    ];
    for (text, seed) in table {
        let found = find(&images, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found.id, of(seed), "{text}");
        let by_digest = text.contains(&manifest(seed).hex());
        assert_eq!(found.asked, by_digest.then(|| manifest(seed)), "{text}");
    }
}

#[test]
fn what_nothing_is_called_is_unknown() {
    let images = store();
    let unknown = Digest::of(Algorithm::Sha256, b"unknown");
    let table = [
        "localhost/alpine",
        "ghcr.io/alpine",
        "erver:v1",
        "app:v9",
        "App",
        "",
        "/",
        "a b",
        "00",
        &unknown.to_string(),
        &unknown.hex(),
    ];
    for text in table {
        assert!(matches!(find(&images, text), Err(Error::ImageUnknown { .. })), "{text}");
    }
}

#[test]
fn near_names_are_offered() {
    let images = store();
    let table = [
        ("app:v4", "localhost/app:v1"),
        ("ap", "localhost/app:latest"),
        ("alpne", "docker.io/library/alpine:latest"),
        ("App:v1", "localhost/app:v1"),
        ("localhost/sever:v1", "ghcr.io/me/deep/server:v1"),
        ("ghcr.io/me/deep/server", "ghcr.io/me/deep/server:v1"),
    ];
    for (text, offered) in table {
        let Err(Error::ImageUnknown { nearest, .. }) = find(&images, text) else {
            panic!("{text} was found");
        };
        assert!(nearest.contains(&offered.to_owned()), "{text}: {nearest:?}");
        assert!(nearest.len() <= NEAREST_MAX);
    }
    let Err(error) = find(&images, "zookeeper") else { panic!("found") };
    assert_eq!(error.to_string(), "there is no image zookeeper in the store");
}

#[test]
fn what_could_be_several_is_not_guessed() {
    let mut images = store();
    let Err(Error::Ambiguous { images: named, .. }) = find(&images, "server:v1") else {
        panic!("guessed");
    };
    assert_eq!(named, ["ghcr.io/me/deep/server:v1", "quay.io/you/server:v1"]);

    // Two ids that begin alike.
    let digits = &images[0].id.hex()[..ID_PREFIX_MIN];
    let twin = format!("sha256:{digits}{}", "0".repeat(64 - ID_PREFIX_MIN));
    images.push(ImageRecord { id: twin.parse().unwrap(), ..image("twin", &["localhost/twin:v1"]) });
    let Err(Error::Ambiguous { images: named, .. }) = find(&images, digits) else {
        panic!("guessed");
    };
    assert!(named[1].ends_with("(localhost/twin:v1)"), "{named:?}");
}

#[test]
fn the_first_store_wins() {
    let mut images = store();
    images.push(ImageRecord { root: 1, ..image("later", &["localhost/app:v1"]) });
    images.push(ImageRecord { root: 1, ..image("built", &["localhost/app:v1"]) });
    assert_eq!(find(&images, "app:v1").unwrap().root, 0);
}
