//! `wharf ls`: the repositories of a running registry, or the tags of one repository with what
//! they point at.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use wharf_client::{PulledManifest, RegistryClient};
use wharf_oci::{
    Descriptor, Digest, ImageReference, ManifestKind, Platform, Reference, RepositoryName, Tag,
};

use crate::cli::amount::Bytes;
use crate::cli::remote::{RemoteArgs, RemoteError, ask};
use crate::cli::table::Table;
use crate::failure::Failure;
use crate::report::Report;

/// How many tags are looked into at once.
const LOOKS_AT_ONCE: usize = 8;
/// The largest image configuration that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// What to list.
#[derive(Debug, clap::Args)]
pub struct LsArgs {
    /// The repository whose tags are listed; without it, the repositories are
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    repository: Option<ImageReference>,

    /// The most entries that are listed
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,

    #[command(flatten)]
    remote: RemoteArgs,
}

fn repository(text: &str) -> Result<ImageReference, String> {
    let image: ImageReference = text.parse().map_err(|error| format!("{error}"))?;
    if image.tag.is_some() || image.digest.is_some() {
        return Err(format!("a repository has no tag and no digest: try `{}`", image.name));
    }
    Ok(image)
}

/// Lists on stdout.
pub fn run(args: LsArgs, report: &Report) -> Result<(), Failure> {
    let host = args.repository.as_ref().and_then(|image| image.registry.as_deref());
    let client = args.remote.client(host)?;
    match args.repository {
        None => {
            let catalog = ask(async { Ok(client.catalog(args.limit).await?) })?;
            let registry = client.address().to_string();
            let found = Repositories { registry, repositories: catalog.items, more: catalog.more };
            if found.repositories.is_empty() {
                report.say(format_args!("The registry at {} is empty.", client.address()));
            }
            say_more(report, found.more);
            Ok(report.data(&found)?)
        }
        Some(image) => {
            let found = ask(tags(&client, image.name, args.limit))?;
            if found.tags.is_empty() {
                report.say(format_args!("{} has no tags.", found.repository));
            }
            say_more(report, found.more);
            Ok(report.data(&found)?)
        }
    }
}

fn say_more(report: &Report, more: bool) {
    if more {
        report.say("There are more: raise --limit to see them.");
    }
}

#[derive(Debug, Serialize)]
struct Repositories {
    registry: String,
    repositories: Vec<RepositoryName>,
    more: bool,
}

impl fmt::Display for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repositories.iter().try_for_each(|name| writeln!(f, "{name}"))
    }
}

#[derive(Debug, Serialize)]
struct Tags {
    registry: String,
    repository: RepositoryName,
    tags: Vec<Tagged>,
    more: bool,
}

/// A tag, and what it points at.
#[derive(Debug, Serialize)]
struct Tagged {
    tag: Tag,
    digest: Digest,
    media_type: String,
    /// All that a pull of every platform brings, in bytes.
    size: u64,
    /// `os/architecture[/variant]`; for what runs nowhere, its artifact type.
    platforms: Vec<String>,
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tags.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["TAG", "SIZE", "PLATFORM", "DIGEST"]);
        for it in &self.tags {
            let platforms = it.platforms.join(",");
            let (size, digest) = (Bytes(it.size).to_string(), it.digest.to_string());
            table.push([it.tag.to_string(), size, platforms, digest]);
        }
        table.fmt(f)
    }
}

async fn tags(
    client: &RegistryClient,
    name: RepositoryName,
    limit: usize,
) -> Result<Tags, RemoteError> {
    let listing = client.tags(&name, limit).await?;
    let looks = listing.items.into_iter().map(|tag| look(client, &name, tag));
    let looked = stream::iter(looks).buffered(LOOKS_AT_ONCE);
    // A tag that went away since it was listed is left out.
    let tags: Vec<Option<Tagged>> = looked.try_collect().await?;
    let registry = client.address().to_string();
    let tags = tags.into_iter().flatten().collect();
    Ok(Tags { registry, repository: name, tags, more: listing.more })
}

async fn look(
    client: &RegistryClient,
    name: &RepositoryName,
    tag: Tag,
) -> Result<Option<Tagged>, wharf_client::Error> {
    let Some(pulled) = manifest(client, name, &Reference::Tag(tag.clone())).await? else {
        return Ok(None);
    };
    let mut content = BTreeSet::from([(pulled.digest, pulled.manifest.bytes().len() as u64)]);
    let mut platforms = Vec::new();
    match pulled.manifest.kind() {
        ManifestKind::Image => {
            content.extend(parts(&pulled));
            platforms.extend(platform(client, name, &pulled).await?);
        }
        ManifestKind::Index => {
            for child in pulled.manifest.children() {
                content.insert((child.digest, child.size));
                platforms.extend(child.platform.as_ref().and_then(written));
                // An index may name images that this registry was not given.
                let child = Reference::Digest(child.digest);
                if let Some(image) = manifest(client, name, &child).await? {
                    content.extend(parts(&image));
                }
            }
        }
    }
    platforms.dedup();
    Ok(Some(Tagged {
        tag,
        digest: pulled.digest,
        media_type: pulled.manifest.media_type().to_owned(),
        size: content.iter().map(|(_, size)| size).sum(),
        platforms,
    }))
}

async fn manifest(
    client: &RegistryClient,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Option<PulledManifest>, wharf_client::Error> {
    match client.manifest(name, reference).await {
        Ok(pulled) => Ok(Some(pulled)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn parts(pulled: &PulledManifest) -> impl Iterator<Item = (Digest, u64)> + '_ {
    let manifest = &pulled.manifest;
    let parts = manifest.config().into_iter().chain(manifest.layers());
    parts.map(|part: &Descriptor| (part.digest, part.size))
}

/// What an image runs on, from its configuration; or what kind of artifact it is.
async fn platform(
    client: &RegistryClient,
    name: &RepositoryName,
    pulled: &PulledManifest,
) -> Result<Option<String>, wharf_client::Error> {
    let Some(config) = pulled.manifest.config() else { return Ok(None) };
    if !config.media_type.contains("image") || config.size > CONFIG_BYTES_MAX {
        return Ok(pulled.manifest.artifact_type().map(str::to_owned));
    }
    match client.blob(name, &config.digest).await {
        Ok(download) => {
            let bytes = download.bytes(CONFIG_BYTES_MAX).await?;
            Ok(serde_json::from_slice(&bytes).ok().as_ref().and_then(written))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn written(platform: &Platform) -> Option<String> {
    let Platform { os, architecture, variant, .. } = platform;
    // BuildKit's attestations stand in an index as "unknown/unknown".
    if os.is_empty() || os == "unknown" {
        return None;
    }
    let variant = variant.as_deref().map(|variant| format!("/{variant}")).unwrap_or_default();
    Some(format!("{os}/{architecture}{variant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_written_as_podman_takes_it() {
        let platform = |json: &str| written(&serde_json::from_str(json).unwrap());
        for (json, text) in [
            (r#"{"os":"linux","architecture":"amd64"}"#, Some("linux/amd64")),
            (r#"{"os":"linux","architecture":"arm","variant":"v7"}"#, Some("linux/arm/v7")),
            (r#"{"os":"unknown","architecture":"unknown"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(platform(json).as_deref(), text);
        }
    }

    #[test]
    fn a_repository_is_named_without_tag_and_digest() {
        assert_eq!(repository("localhost:5000/a/b").unwrap().name.as_str(), "a/b");
        assert!(repository("a/b:tag").unwrap_err().contains("`a/b`"));
    }
}
