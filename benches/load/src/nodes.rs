//! How soon do several nodes have one image that they all pull at once? Each of them GETs the manifest by
//! tag and then its blobs, one after the other, and throws them away.

use wharf_oci::{Digest, Endpoint, Reference, RepositoryName, Tag};

use crate::clients;
use crate::pull::blob_path;
use crate::{Connection, LoadError, Measurement, Operation, ServerProcess, Target};

/// Pulls of one image.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// The registry.
    pub target: Target,
    /// The repository with the image.
    pub name: RepositoryName,
    /// Its tag.
    pub tag: Tag,
    /// Its configuration and its layers.
    pub digests: Vec<Digest>,
    /// Nodes at once.
    pub nodes: usize,
}

impl Nodes {
    /// Pulls, once per node.
    ///
    /// # Errors
    /// When a node does not get all of it.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let (name, reference) = (self.name.clone(), Reference::Tag(self.tag.clone()));
        let mut paths = vec![Endpoint::GetManifest { name, reference }.to_uri()];
        paths.extend(self.digests.iter().map(|digest| blob_path(&self.name, *digest)));
        let run = clients::run(
            self.nodes,
            server,
            |_| Connection::open(&self.target),
            |mut connection| {
                let mut bytes = 0;
                for path in &paths {
                    connection.send("GET", path, ACCEPT)?;
                    let length = connection.expect(200)?.body;
                    connection.receive(length, |_| ())?;
                    bytes += length;
                }
                Ok(bytes)
            },
        )?;
        let mut measured = Measurement::new(label, Operation::PullImage, self.nodes, run.time);
        measured.bytes = Some(run.results.iter().sum());
        Ok(measured.with_usage(run.usage))
    }
}

/// What the images of the measurements are.
const ACCEPT: &str = "Accept: application/vnd.oci.image.manifest.v1+json, */*\r\n";
