//! The probe: a tiny image, pushed to the registry's port on the host, pulled in a node, and taken away
//! again.

use std::time::{Duration, Instant};

use serde::Deserialize;
use wharf_client::{BlobSource, RegistryClient};
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use super::{ProofError, Pull};
use crate::image::{Architecture, Image};
use crate::process::Program;
use crate::setup::hosts;
use crate::setup::node::{self, Node, images};
use crate::setup::{SetupError, Site};

/// The repository of the probe while there is one.
const REPOSITORY: &str = "wharf-probe";
/// How many different probes there are. What a probe leaves in the registry's volume until garbage is
/// collected is some kilobytes, once for each.
const PROBES: u8 = 16;
/// How long a registry that was just started may be unknown to a node, or not answer yet.
const SETTLING_MAX: Duration = Duration::from_secs(15);
/// How often it is tried meanwhile.
const SETTLING_POLL: Duration = Duration::from_millis(250);

/// The image, and where it goes.
#[derive(Debug)]
pub(super) struct Probe {
    image: Image,
    client: RegistryClient,
    name: RepositoryName,
    tag: Tag,
}

impl Probe {
    pub(super) fn new(site: &Site) -> Result<Self, SetupError> {
        let architecture = match site.engine.info()?.architecture.as_str() {
            "arm64" => Architecture::Arm64,
            _ => Architecture::Amd64,
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| ProofError::Runtime(error.into()))?;
        let content = format!("a probe of wharf, one of {PROBES}: {}\n", random[0] % PROBES);
        let port = site.config.port;
        let address = format!("http://127.0.0.1:{port}").parse();
        let tag: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let unparsed = || ProofError::Address(port);
        Ok(Self {
            image: Image::holding(content.as_bytes(), architecture),
            client: RegistryClient::new(address.map_err(|_| unparsed())?),
            name: REPOSITORY.parse().map_err(|_| unparsed())?,
            tag: tag.parse().map_err(|_| unparsed())?,
        })
    }

    /// Puts it into the registry, once that answers.
    pub(super) async fn push(&self) -> Result<Digest, wharf_client::Error> {
        let deadline = Instant::now() + SETTLING_MAX;
        while let Err(error) = self.client.ping().await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(SETTLING_POLL).await;
        }
        for blob in self.image.blobs() {
            let source = BlobSource::bytes(blob.bytes.clone());
            self.client.upload_blob(&self.name, &blob.descriptor.digest, source).await?;
        }
        let tag = Reference::Tag(self.tag.clone());
        self.client.put_manifest(&self.name, &tag, &self.image.manifest).await
    }

    /// Removes this probe and those that killed runs left; the repository is gone with the last of them.
    pub(super) async fn remove_all(&self) -> Result<(), wharf_client::Error> {
        self.remove(&self.image.digest()).await?;
        let tags = match self.client.tags(&self.name, PROBES.into()).await {
            Err(error) if error.is_not_found() => return Ok(()),
            tags => tags?.items,
        };
        for tag in tags.into_iter().filter(|tag| is_of_a_probe(tag.as_str())) {
            let left = self.client.head_manifest(&self.name, &Reference::Tag(tag)).await?;
            if let Some(left) = left {
                self.remove(&left.digest).await?;
            }
        }
        Ok(())
    }

    /// Removes a manifest with its tags.
    async fn remove(&self, digest: &Digest) -> Result<(), wharf_client::Error> {
        match self.client.delete_manifest(&self.name, &Reference::Digest(*digest)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Pulls by each name, once what killed runs left on the node is gone.
    pub(super) fn pull_on(&self, site: &Site, node: &Node) -> Result<Vec<Pull>, SetupError> {
        forget_left(site, node)?;
        let pull = |registry: String| {
            let failure = self.pull(site, node, &registry)?;
            Ok(Pull { node: node.name().to_owned(), registry, failure })
        };
        hosts::names(site).into_iter().map(pull).collect()
    }

    /// Pulls, compares, and forgets. Why it failed, if it did.
    fn pull(&self, site: &Site, node: &Node, registry: &str) -> Result<Option<String>, SetupError> {
        let image = format!("{registry}/{}:{}", self.name, self.tag);
        let crictl = |words: &[&str]| crictl(site, node, words);
        let deadline = Instant::now() + SETTLING_MAX;
        loop {
            match site.hand().act(&crictl(&["pull", &image])) {
                Ok(_) => break,
                Err(error) => {
                    let words = said(&error.said()?);
                    if !is_settling(&words) || Instant::now() > deadline {
                        return Ok(Some(words));
                    }
                }
            }
            std::thread::sleep(SETTLING_POLL);
        }
        let found = site.hand().ask_anew(&crictl(&["inspecti", "-o", "json", &image]));
        let digest = self.image.digest().to_string();
        let failure = match &found {
            Ok(found) if is_of(found, &digest) => None,
            Ok(_) => Some("another image than the one that was pushed came".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        images::remove(site, node, &image)?;
        Ok(failure)
    }
}

/// Removes from a node the probes that killed runs left there.
pub(super) fn forget_left(site: &Site, node: &Node) -> Result<(), SetupError> {
    let left = node::images(site, node);
    for tag in left.iter().flat_map(|image| &image.repo_tags).filter(|tag| is_a_probe(tag)) {
        images::remove(site, node, tag)?;
    }
    Ok(())
}

fn crictl(site: &Site, node: &Node, words: &[&str]) -> Program {
    site.engine.program([&["exec", node.name(), "crictl"], words].concat())
}

/// Whether an image of a node, as `kind-registry:5000/wharf-probe:99bae62179dcda1d`, is a probe.
fn is_a_probe(image: &str) -> bool {
    let (repository, tag) = image.rsplit_once(':').unwrap_or((image, ""));
    repository.rsplit_once('/').is_some_and(|(_, name)| name == REPOSITORY) && is_of_a_probe(tag)
}

/// Whether a tag is one that a probe gets: sixteen hexadecimal digits.
fn is_of_a_probe(tag: &str) -> bool {
    tag.len() == 16 && tag.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `crictl inspecti` speaks of an image that was pulled by a digest.
fn is_of(found: &[u8], digest: &str) -> bool {
    #[derive(Deserialize)]
    struct Inspected {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        #[serde(default)]
        repo_digests: Vec<String>,
    }
    serde_json::from_slice(found).is_ok_and(|it: Inspected| {
        it.status.repo_digests.iter().any(|name| name.ends_with(&format!("@{digest}")))
    })
}

/// Whether a pull failed as it does while a registry that was just started becomes known.
fn is_settling(words: &str) -> bool {
    ["no such host", "server misbehaving", "connection refused", "i/o timeout"]
        .iter()
        .any(|known| words.contains(known))
}

/// What crictl says of a failure, without its time, its level, and what it repeats.
fn said(words: &str) -> String {
    let line = words.lines().rfind(|line| line.contains("msg=")).unwrap_or(words);
    let message = line.split_once("msg=").map_or(line, |(_, message)| message);
    let message = serde_json::from_str::<String>(message).unwrap_or_else(|_| message.to_owned());
    let cause = message.rsplit_once("desc = ").map_or(message.as_str(), |(_, cause)| cause);
    cause.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_pull_that_fails_the_cause_is_told() {
        let words = "E1122 remote_image.go:171] \"PullImage from image service failed\"\n\
            time=\"2026-11-22T15:00:00Z\" level=fatal msg=\"pulling image: rpc error: code = Unknown \
            desc = failed to pull and unpack image \\\"a:1/b:c\\\": dial tcp: lookup a: no such host\"";
        let cause = said(words);
        assert_eq!(
            cause,
            "failed to pull and unpack image \"a:1/b:c\": dial tcp: lookup a: no such host"
        );
        assert!(is_settling(&cause));
        assert!(!is_settling("http: server gave HTTP response to HTTPS client"));
        assert_eq!(said("crictl: not found"), "crictl: not found");
    }

    #[test]
    fn a_probe_is_known_by_its_name_and_tag() {
        assert!(is_a_probe("kind-registry:5000/wharf-probe:99bae62179dcda1d"));
        for other in [
            "kind-registry:5000/wharf-probe:1",
            "kind-registry:5000/wharf-probe:99BAE62179DCDA1D",
            "kind-registry:5000/my-wharf-probe:99bae62179dcda1d",
            "wharf-probe@sha256:99bae62179dcda1d",
        ] {
            assert!(!is_a_probe(other), "{other}");
        }
    }

    #[test]
    fn an_image_is_known_by_its_digest() {
        let said = |digest: &str| {
            serde_json::json!({ "status": { "repoDigests": [format!("a:1/b@{digest}")] } })
                .to_string()
        };
        assert!(is_of(said("sha256:ab").as_bytes(), "sha256:ab"));
        assert!(!is_of(said("sha256:abc").as_bytes(), "sha256:ab"));
        assert!(!is_of(b"{}", "sha256:ab"));
    }
}
