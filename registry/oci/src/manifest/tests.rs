//! What is a manifest, and what is none.

use super::*;
use crate::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

fn descriptor(media_type: &str) -> Value {
    let digest = Digest::of(Algorithm::Sha256, media_type.as_bytes());
    json!({"mediaType": media_type, "digest": digest, "size": media_type.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG),
        "layers": [descriptor(media_type::OCI_LAYER), descriptor(media_type::OCI_LAYER_GZIP)],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "manifests": [descriptor(media_type::OCI_MANIFEST)]})
}

fn with(mut manifest: Value, key: &str, value: Value) -> Value {
    manifest[key] = value;
    manifest
}

fn without(mut manifest: Value, key: &str) -> Value {
    manifest.as_object_mut().unwrap().remove(key);
    manifest
}

fn parse(manifest: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
    Manifest::parse(Bytes::from(manifest.to_string()), content_type)
}

#[test]
fn an_image_has_its_edges() {
    let subject = descriptor("a/subject");
    let written = with(image(), "subject", subject);
    let manifest = parse(&with(written, "annotations", json!({"a": "b"})), None).unwrap();
    assert_eq!(manifest.kind(), ManifestKind::Image);
    assert_eq!(manifest.media_type(), media_type::OCI_MANIFEST);
    assert_eq!(manifest.config().unwrap().media_type, media_type::OCI_CONFIG);
    assert_eq!(manifest.layers().len(), 2);
    assert_eq!(manifest.subject().unwrap().media_type, "a/subject");
    assert_eq!(manifest.artifact_type(), Some(media_type::OCI_CONFIG));
    assert_eq!(manifest.annotations()["a"], "b");
    assert!(manifest.children().is_empty());
}

#[test]
fn an_index_has_its_children_and_no_artifact_type_of_its_own() {
    let manifest = parse(&index(), None).unwrap();
    assert_eq!(manifest.kind(), ManifestKind::Index);
    assert_eq!(manifest.media_type(), media_type::OCI_INDEX);
    assert_eq!(manifest.children().len(), 1);
    assert_eq!(manifest.artifact_type(), None);
    let typed = parse(&with(index(), "artifactType", json!("a/b")), None).unwrap();
    assert_eq!(typed.artifact_type(), Some("a/b"));
}

#[test]
fn what_is_accepted_and_what_is_refused() {
    let docker = with(image(), "mediaType", json!(media_type::DOCKER_MANIFEST));
    let list = with(index(), "mediaType", json!(media_type::DOCKER_MANIFEST_LIST));
    let foreign = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar");
    let foreign = with(foreign, "urls", json!(["https://example.com/layer"]));
    let negative = with(descriptor("a/b"), "size", json!(-1));
    let digest = descriptor("a/b")["digest"].clone();
    let list_for_object = json!(["a/b", digest, 3]);
    let untyped = with(descriptor("a/b"), "mediaType", json!(""));
    let platform = with(descriptor("a/b"), "platform", json!(["amd64", "linux"]));
    let table = [
        ("docker", docker, true),
        ("list", list.clone(), true),
        ("no layers", with(image(), "layers", json!([])), true),
        ("null layers", with(image(), "layers", Value::Null), true),
        ("layers missing", without(image(), "layers"), true),
        ("empty index", with(index(), "manifests", json!([])), true),
        ("null index", with(index(), "manifests", Value::Null), true),
        ("null annotations", with(image(), "annotations", Value::Null), true),
        ("unknown field", with(image(), "new", json!({"a": [1]})), true),
        ("foreign layer", with(image(), "layers", json!([foreign])), true),
        ("schema 1", with(image(), "schemaVersion", json!(1)), false),
        ("schema as text", with(image(), "schemaVersion", json!("2")), false),
        ("no schema", without(image(), "schemaVersion"), false),
        ("no config", without(image(), "config"), false),
        ("null config", with(image(), "config", Value::Null), false),
        ("both", with(index(), "layers", json!([])), false),
        ("both, null", with(image(), "manifests", Value::Null), false),
        ("index as image", with(index(), "mediaType", json!(media_type::OCI_MANIFEST)), false),
        ("image as list", with(image(), "mediaType", list["mediaType"].clone()), false),
        ("odd type", with(image(), "mediaType", json!("text/plain")), false),
        ("negative size", with(image(), "config", negative), false),
        ("layers as map", with(image(), "layers", json!({})), false),
        ("config as list", with(image(), "config", list_for_object.clone()), false),
        ("layer as list", with(image(), "layers", json!([list_for_object])), false),
        ("child as list", with(index(), "manifests", json!([list_for_object])), false),
        ("subject as list", with(image(), "subject", list_for_object.clone()), false),
        ("platform as list", with(index(), "manifests", json!([platform])), false),
        ("manifest as list", json!([2, null, null, descriptor("a/b"), [], null]), false),
        ("untyped config", with(image(), "config", untyped.clone()), false),
        ("untyped layer", with(image(), "layers", json!([untyped])), false),
        ("untyped child", with(index(), "manifests", json!([untyped])), false),
        ("untyped subject", with(index(), "subject", untyped.clone()), false),
        ("a list", json!([image()]), false),
        ("null", Value::Null, false),
    ];
    for (what, manifest, accepted) in table {
        assert_eq!(parse(&manifest, None).is_ok(), accepted, "{what}");
    }
}

#[test]
fn the_content_type_must_be_that_of_the_body() {
    let bare = without(image(), "mediaType");
    let docker = with(image(), "mediaType", json!(media_type::DOCKER_MANIFEST));
    let table = [
        (&bare, None, true),
        (&bare, Some(media_type::OCI_MANIFEST), true),
        (&bare, Some(media_type::DOCKER_MANIFEST), false),
        (&docker, Some(media_type::DOCKER_MANIFEST), true),
        (&docker, Some(media_type::OCI_MANIFEST), false),
        (&docker, Some("application/json"), false),
        (&docker, Some(""), false),
    ];
    for (manifest, content_type, accepted) in table {
        assert_eq!(parse(manifest, content_type).is_ok(), accepted, "{content_type:?}");
    }
    let with_parameters = format!("{} ; charset=utf-8", media_type::OCI_MANIFEST);
    assert!(parse(&bare, Some(&with_parameters)).is_ok());
}

#[test]
fn duplicate_fields_and_deep_nesting_are_refused() {
    let doubled = image().to_string().replacen('{', r#"{"layers":[],"#, 1);
    assert!(Manifest::from_stored(Bytes::from(doubled)).is_err());
    let remark = json!({"a": "b"});
    let of_config = with(descriptor("a/b"), "annotations", remark.clone());
    for once in [with(image(), "annotations", remark), with(image(), "config", of_config)] {
        let twice = once.to_string().replacen(r#"{"a":"b"}"#, r#"{"a":"b","a":"c"}"#, 1);
        assert!(Manifest::from_stored(Bytes::from(once.to_string())).is_ok(), "{once}");
        assert!(Manifest::from_stored(Bytes::from(twice)).is_err(), "{once}");
    }
    let nested = |depth: usize| {
        let unread = format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth));
        Manifest::from_stored(image().to_string().replacen('{', &unread, 1).into())
    };
    assert!(nested(NESTING_MAX - 1).is_ok());
    for depth in [NESTING_MAX, 2_000_000] {
        assert!(matches!(nested(depth), Err(ManifestError::Nesting)), "{depth}");
    }
}

#[test]
fn what_is_not_utf_8_is_refused_also_where_nobody_reads_it() {
    let odd = image().to_string().replacen('{', r#"{"x":"?","#, 1);
    let odd: Vec<_> = odd.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    let refused = Manifest::from_stored(Bytes::from(odd));
    assert!(matches!(refused, Err(ManifestError::Encoding(_))), "{refused:?}");
}

#[test]
fn a_stored_manifest_is_not_lost_for_a_missing_media_type() {
    let untyped = with(descriptor("a/b"), "mediaType", json!(""));
    let stored = with(image(), "config", untyped).to_string();
    assert!(Manifest::from_stored(Bytes::from(stored)).is_ok());
}

#[test]
fn manifests_that_oci_spec_writes_are_read() {
    use oci_spec::image as theirs;
    let digest = Digest::of(Algorithm::Sha256, b"x").to_string();
    let descriptor = theirs::Descriptor::new(
        theirs::MediaType::ImageConfig,
        1,
        digest.parse::<theirs::Digest>().unwrap(),
    );
    let image = theirs::ImageManifestBuilder::default()
        .schema_version(2u32)
        .config(descriptor.clone())
        .layers(vec![descriptor])
        .build()
        .unwrap();
    let manifest = Manifest::from_stored(Bytes::from(image.to_string().unwrap())).unwrap();
    assert_eq!(manifest.config().unwrap().digest.to_string(), digest);
    assert_eq!(manifest.layers().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(noise: Vec<u8>, at in 0usize..400, cut in 0usize..400) {
        let mut bytes = image().to_string().into_bytes();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, noise.iter().copied());
        let _ = Manifest::parse(Bytes::from(bytes), Some(media_type::OCI_MANIFEST));
        let _ = Manifest::from_stored(Bytes::from(noise));
    }
}
