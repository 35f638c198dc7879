//! The proof that all of it works: a tiny image is pushed to the registry's port on the host, pulled on
//! every running node as a kubelet pulls, by both names, and taken away again everywhere.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use wharf_client::{BlobSource, RegistryClient};
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use super::hosts;
use super::node::{self, Node, count};
use super::{SetupError, Site};
use crate::image::{Architecture, Image};
use crate::process::Program;

/// The repository of the probe while there is one.
const REPOSITORY: &str = "wharf-probe";
/// How many different probes there are. What a probe leaves in the registry's volume until garbage is
/// collected is some kilobytes, once for each.
const PROBES: u8 = 16;
/// How long a registry that was just started may be unknown to a node, or not answer yet.
const SETTLING_MAX: Duration = Duration::from_secs(15);
/// How often it is tried meanwhile.
const SETTLING_POLL: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Every pull: each node by each name.
    pub pulls: Vec<Pull>,
}

/// A pull on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pull {
    /// The node's name.
    pub node: String,
    /// The registry's name in the image's, as `kind-registry:5000`.
    pub registry: String,
    /// Why it failed, in the words of the pull; nothing where it worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Proof {
    /// The same, as an error if a pull failed.
    ///
    /// # Errors
    /// The first pull that failed, and how many did.
    pub fn whole(self) -> Result<Self, SetupError> {
        let mut failed = self.pulls.iter().filter(|pull| pull.failure.is_some());
        let Some(first) = failed.next() else { return Ok(self) };
        let others = match failed.count() {
            0 => String::new(),
            count => format!(" ({count} more of {} pulls failed)", self.pulls.len()),
        };
        Err(SetupError::Broken {
            what: format!("{first}{others}"),
            hint: "`wharf doctor` looks for the reason".into(),
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: BTreeSet<_> = self.pulls.iter().map(|pull| &pull.node).collect();
        let names: BTreeSet<_> = self.pulls.iter().map(|pull| pull.registry.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(" and ");
        write!(f, "Proof: {} pulled a tiny image from {names}.", count(nodes.len()))
    }
}

impl fmt::Display for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, registry, failure } = self;
        match failure {
            None => write!(f, "{node} pulls from {registry}"),
            Some(words) => write!(f, "{node} cannot pull from {registry}: {words}"),
        }
    }
}

/// Why there is no proof, for or against: the probe is not in the registry.
#[derive(Debug, Error)]
pub enum ProofError {
    /// It cannot be pushed or taken away.
    #[error("cannot {verb} a probe {} the registry on 127.0.0.1:{port}", if *verb == "push" { "to" } else { "from" })]
    Registry {
        /// `push` or `remove`.
        verb: &'static str,
        /// The registry's port.
        port: u16,
        /// What went wrong.
        #[source]
        source: Box<wharf_client::Error>,
    },
    /// The asking did not begin.
    #[error("cannot start the runtime that talks to the registry")]
    Runtime(#[source] io::Error),
    /// There is no address of that form.
    #[error("cannot ask the registry on the port {0}")]
    Address(u16),
}

/// Pushes, pulls everywhere, and takes everything away again.
///
/// # Errors
/// The probe cannot be pushed or removed, or an engine does not start programs in nodes. A pull that
/// fails is in the proof.
pub fn prove(site: &Site) -> Result<Proof, SetupError> {
    if site.hand().is_dry() {
        return Ok(Proof::default());
    }
    let probe = Probe::new(site)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ProofError::Runtime)?;
    let failed = |verb| {
        move |source| ProofError::Registry {
            verb,
            port: site.config.port,
            source: Box::new(source),
        }
    };
    runtime.block_on(probe.push()).map_err(failed("push"))?;
    let nodes = node::running(site);
    let pulls = nodes
        .map_err(SetupError::from)
        .and_then(|nodes| node::on_each(&nodes, |node| probe.pull_on(site, node)));
    // Whatever came of the pulls.
    runtime.block_on(probe.remove()).map_err(failed("remove"))?;
    site.hand().forget();
    Ok(Proof { pulls: pulls?.concat() })
}

/// The image, and where it goes.
#[derive(Debug)]
struct Probe {
    image: Image,
    client: RegistryClient,
    name: RepositoryName,
    tag: Tag,
}

impl Probe {
    fn new(site: &Site) -> Result<Self, SetupError> {
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

    async fn push(&self) -> Result<Digest, wharf_client::Error> {
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

    /// Removes the manifest with its tag; the repository is gone with it.
    async fn remove(&self) -> Result<(), wharf_client::Error> {
        let digest = Reference::Digest(self.image.digest());
        match self.client.delete_manifest(&self.name, &digest).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn pull_on(&self, site: &Site, node: &Node) -> Result<Vec<Pull>, SetupError> {
        let pull = |registry: String| {
            let failure = self.pull(site, node, &registry)?;
            Ok(Pull { node: node.name().to_owned(), registry, failure })
        };
        hosts::names(site).into_iter().map(pull).collect()
    }

    /// Pulls, compares, and forgets. Why it failed, if it did.
    fn pull(&self, site: &Site, node: &Node, registry: &str) -> Result<Option<String>, SetupError> {
        let image = format!("{registry}/{}:{}", self.name, self.tag);
        let crictl = |words: &[&str]| -> Program {
            site.engine.program([&["exec", node.name(), "crictl"], words].concat())
        };
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
        site.hand().act(&crictl(&["rmi", &image]))?;
        Ok(failure)
    }
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
