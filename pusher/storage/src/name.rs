//! What a person means by the name of an image: which of the store's images that is, and which names
//! are near to it if it is none.

use wharf_oci::{Digest, ImageReference};

use crate::error::Error;
use crate::image::ImageRecord;

/// Shortest beginning of an id that is taken for one.
const ID_PREFIX_MIN: usize = 3;
/// How many digits of an id are shown, as Podman does.
const ID_SHOWN: usize = 12;
/// Most names that are offered for an unknown one.
const NEAREST_MAX: usize = 3;
/// How alike a name must be to be offered; 1 is the same.
const LIKENESS_MIN: f64 = 0.6;
/// Longer names are not compared with others.
const COMPARED_BYTES_MAX: usize = 255;

/// The image that is meant by `text`, in Podman's order: an id in full or a digest, a name, a name in
/// part, the beginning of an id.
pub(crate) fn find(images: &[ImageRecord], text: &str) -> Result<ImageRecord, Error> {
    let found = match whole_digest(text) {
        Some(digest) => by_id(images, &digest).or_else(|| by_manifest(images, &digest)),
        None => match text.parse::<ImageReference>() {
            // A digest says enough, whatever the image is called here.
            Ok(wanted) => by_name(images, &wanted, text)?
                .or_else(|| by_manifest(images, wanted.digest.as_ref()?)),
            Err(_) => None,
        },
    };
    let found = match found {
        Some(found) => Some(found),
        None => by_id_prefix(images, text)?,
    };
    found.ok_or_else(|| Error::ImageUnknown {
        name: text.to_owned(),
        nearest: nearest(images, text),
    })
}

/// The image with this id.
pub(crate) fn by_id(images: &[ImageRecord], id: &Digest) -> Option<ImageRecord> {
    images.iter().find(|image| image.id == *id).cloned()
}

/// The image that has a manifest of this digest, and that manifest.
pub(crate) fn by_manifest(images: &[ImageRecord], digest: &Digest) -> Option<ImageRecord> {
    let found = images.iter().find(|image| image.digests.contains(digest))?;
    Some(ImageRecord { asked: Some(*digest), ..found.clone() })
}

/// `text`, if it is a digest, or the hexadecimal digits of one.
fn whole_digest(text: &str) -> Option<Digest> {
    text.parse().or_else(|_| format!("sha256:{text}").parse()).ok()
}

fn by_name(
    images: &[ImageRecord],
    wanted: &ImageReference,
    text: &str,
) -> Result<Option<ImageRecord>, Error> {
    for repository in repositories(wanted) {
        let is_it = |name: &str| name == repository;
        if let Some(found) = one_of(matching(images, wanted, &is_it), text)? {
            return Ok(Some(found));
        }
    }
    if wanted.registry.is_some() {
        return Ok(None);
    }
    let end = format!("/{}", wanted.name);
    one_of(matching(images, wanted, &|name| name.ends_with(&end)), text)
}

/// The repositories that a name can stand for, the likeliest first. Podman calls what it builds
/// `localhost/…`; a name without a host is one of Docker Hub's next.
fn repositories(wanted: &ImageReference) -> Vec<String> {
    let name = wanted.name.as_str();
    let of_hub = match name.contains('/') {
        true => format!("docker.io/{name}"),
        false => format!("docker.io/library/{name}"),
    };
    match wanted.registry.as_deref() {
        None => vec![format!("localhost/{name}"), of_hub],
        Some("docker.io" | "index.docker.io") => vec![of_hub],
        Some(registry) => vec![format!("{registry}/{name}")],
    }
}

/// The images that have the wanted digest, or else the wanted tag, in a repository that `is_it`.
fn matching<'a>(
    images: &'a [ImageRecord],
    wanted: &ImageReference,
    is_it: &dyn Fn(&str) -> bool,
) -> Vec<(&'a str, ImageRecord)> {
    let tag = wanted.tag.as_ref().map_or("latest", |tag| tag.as_str());
    let mut found: Vec<(&str, ImageRecord)> = Vec::new();
    for image in images {
        if wanted.digest.is_some_and(|digest| !image.digests.contains(&digest)) {
            continue;
        }
        let name = image.names.iter().find(|name| {
            let (repository, of_name) = split(name);
            is_it(repository) && (wanted.digest.is_some() || of_name == Some(tag))
        });
        // The same image in two stores is one image.
        if let Some(name) = name
            && !found.iter().any(|(_, other)| other.id == image.id)
        {
            found.push((name, ImageRecord { asked: wanted.digest, ..image.clone() }));
        }
    }
    found
}

/// The only one of `found`. In several stores the same full name can stand for different images; the
/// first store's is the one that Podman takes.
fn one_of(found: Vec<(&str, ImageRecord)>, text: &str) -> Result<Option<ImageRecord>, Error> {
    let is_same = found.windows(2).all(|pair| pair[0].0 == pair[1].0);
    if found.len() > 1 && !is_same {
        let images = found.iter().map(|(name, _)| (*name).to_owned()).collect();
        return Err(Error::Ambiguous { name: text.to_owned(), images });
    }
    Ok(found.into_iter().next().map(|(_, image)| image))
}

fn by_id_prefix(images: &[ImageRecord], text: &str) -> Result<Option<ImageRecord>, Error> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || digits.len() < ID_PREFIX_MIN {
        return Ok(None);
    }
    let mut found: Vec<&ImageRecord> = Vec::new();
    for image in images {
        let is_new = !found.iter().any(|other| other.id == image.id);
        if is_new && image.id.hex().starts_with(digits) {
            found.push(image);
        }
    }
    if found.len() > 1 {
        let images = found.iter().map(|image| label(image)).collect();
        return Err(Error::Ambiguous { name: text.to_owned(), images });
    }
    Ok(found.first().map(|image| (*image).clone()))
}

/// An image as a list shows it: the beginning of its id, and a name if it has one.
fn label(image: &ImageRecord) -> String {
    let id = &image.id.hex()[..ID_SHOWN];
    match image.names.first() {
        Some(name) => format!("{id} ({name})"),
        None => id.to_owned(),
    }
}

/// Repository and tag of a name in the store.
fn split(name: &str) -> (&str, Option<&str>) {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// The store's names that are most like `text`, best first.
fn nearest(images: &[ImageRecord], text: &str) -> Vec<String> {
    if text.len() > COMPARED_BYTES_MAX {
        return Vec::new();
    }
    let wanted = text.to_lowercase();
    let wanted = split(&wanted);
    let mut names: Vec<(f64, &str)> = Vec::new();
    for name in images.iter().flat_map(|image| &image.names) {
        let likeness = likeness(wanted, name);
        let is_new = !names.iter().any(|(_, other)| other == name);
        if likeness >= LIKENESS_MIN && is_new {
            names.push((likeness, name));
        }
    }
    names.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    names.into_iter().take(NEAREST_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// How alike the wanted name and one of the store's are. The tag counts little: another one of the
/// right image is what people look for most.
fn likeness(wanted: (&str, Option<&str>), name: &str) -> f64 {
    const OF_THE_TAG: f64 = 0.1;
    let (repository, tag) = split(name);
    let last = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let of_names = [
        strsim::normalized_damerau_levenshtein(wanted.0, repository),
        strsim::normalized_damerau_levenshtein(&last(wanted.0), &last(repository)),
    ];
    let of_tags = strsim::normalized_damerau_levenshtein(
        wanted.1.unwrap_or("latest"),
        tag.unwrap_or_default(),
    );
    of_names[0].max(of_names[1]) * (1.0 - OF_THE_TAG) + of_tags * OF_THE_TAG
}

#[cfg(test)]
mod tests;
