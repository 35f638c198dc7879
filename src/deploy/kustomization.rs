//! The text of the kustomization that puts the pushed images into the manifests: a value written to
//! YAML, and nothing else. Whatever a manifest calls an image of the project, it is mapped to the name
//! and the digest by which pods find it.

use serde_json::{Value, json};
use wharf_oci::Digest;

/// An image as pods are to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Every name, without a tag, that a manifest may have for it.
    pub names: Vec<String>,
    /// The name that pods find it by.
    pub new_name: String,
    /// What it is in the registry.
    pub digest: Digest,
}

/// What a kustomization is made of: paths below its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Files of objects.
    pub files: Vec<String>,
    /// Folders with kustomizations of their own.
    pub folders: Vec<String>,
}

/// The text. JSON, which is YAML, and has no rules of quoting to be got wrong.
pub fn text(
    parts: &Parts,
    images: &[Mapping],
    namespace: Option<&str>,
    takes_folders_as_resources: bool,
) -> String {
    let mut text = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": parts.files,
    });
    match takes_folders_as_resources {
        true => {
            let all: Vec<_> = parts.files.iter().chain(&parts.folders).collect();
            text["resources"] = json!(all);
        }
        false => text["bases"] = json!(parts.folders),
    }
    if let Some(namespace) = namespace {
        text["namespace"] = namespace.into();
    }
    let images: Vec<Value> = images.iter().flat_map(entries).collect();
    if !images.is_empty() {
        text["images"] = images.into();
    }
    format!("{text:#}\n")
}

fn entries(image: &Mapping) -> impl Iterator<Item = Value> + '_ {
    image.names.iter().map(|name| {
        // It is taken for a regular expression.
        let name = name.replace('.', "\\.");
        json!({ "name": name, "newName": image.new_name, "digest": image.digest.to_string() })
    })
}
