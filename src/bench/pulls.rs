//! How fast is a blob pulled, and how long does a node wait for an image?

use std::collections::HashMap;
use std::time::Duration;

use wharf_load::content::Blobs;
use wharf_load::{Cell, Contents, Measurement, Operation, Pull, PullImage};
use wharf_oci::{Reference, RepositoryName};

use super::{BenchError, Limits, Site, Trial};

/// Pulls of one large blob by some clients.
#[derive(Debug)]
pub struct BlobPulls {
    /// The blob is the first of these.
    pub blobs: Blobs,
    /// Clients at once.
    pub clients: usize,
    /// No pull begins after this time, but for the first of each client.
    pub time: Duration,
    /// How far it goes.
    pub limits: Limits,
}

impl Trial for BlobPulls {
    fn cell(&self) -> Cell {
        let size = Some(self.blobs.size());
        Cell { operation: Operation::Pull, size, clients: self.clients }
    }

    fn prepare(&mut self, site: &Site) -> Result<(), BenchError> {
        self.limits.allow(self.cell(), self.blobs.size() * self.clients as u64)?;
        site.furnish(&self.blobs, &self.limits).map(drop)
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        let pull = Pull {
            target: site.target()?,
            name: site.guest().name().clone(),
            digest: self.blobs.blob(0).digest,
            clients: self.clients,
            bytes_max: self.limits.bytes_max,
            whole: Some(self.time),
            time_max: self.limits.time_max,
            verify: self.limits.verify,
        };
        let measured = pull.measure(site.label(), site.server());
        let mut measured = measured.map_err(|source| site.failed(source))?;
        measured.size = self.cell().size;
        Ok(measured)
    }
}

/// Pulls of one image by some nodes.
#[derive(Debug)]
pub struct ImagePulls {
    /// The image's repository, in every registry.
    pub name: RepositoryName,
    /// Its tag or digest.
    pub reference: Reference,
    /// Operating system and architecture, where there is a choice.
    pub platform: (String, String),
    /// Clients at once.
    pub clients: usize,
    /// No pull begins after this time, but for the first of each client.
    pub time: Duration,
    /// How far it goes.
    pub limits: Limits,
    /// What the image consists of, by the registry's name in the results.
    pub found: HashMap<String, Contents>,
}

impl Trial for ImagePulls {
    fn cell(&self) -> Cell {
        Cell { operation: Operation::PullImage, size: None, clients: self.clients }
    }

    fn writes(&self) -> bool {
        false
    }

    fn prepare(&mut self, site: &Site) -> Result<(), BenchError> {
        let target = site.target_of(&self.name, false)?;
        let platform = (self.platform.0.as_str(), self.platform.1.as_str());
        let contents = Contents::find(&target, &self.name, &self.reference, platform);
        let contents = contents.map_err(|source| site.failed(source))?;
        self.limits.allow(self.cell(), contents.bytes() * self.clients as u64)?;
        self.found.insert(site.label().to_owned(), contents);
        Ok(())
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        let Some(contents) = self.found.get(site.label()).cloned() else {
            self.prepare(site)?;
            return self.measure(site);
        };
        let pull = PullImage {
            target: site.target_of(&self.name, false)?,
            name: self.name.clone(),
            contents,
            clients: self.clients,
            time: self.time,
            bytes_max: self.limits.bytes_max,
            time_max: self.limits.time_max,
            verify: self.limits.verify,
        };
        pull.measure(site.label(), site.server()).map_err(|source| site.failed(source))
    }
}
