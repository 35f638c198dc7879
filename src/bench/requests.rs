//! How many small requests a second: manifests by tag, HEADs, a small blob.

use std::time::Duration;

use wharf_load::content::Blobs;
use wharf_load::{Cell, Image, Measurement, Operation, Request, Requests};

use super::{BenchError, Limits, Site, Trial};

/// One small request, again and again.
#[derive(Debug)]
pub struct SmallRequests {
    /// What is asked for: of the four small requests one.
    pub operation: Operation,
    /// The small blob, of which the image has one layer.
    pub blobs: Blobs,
    /// Connections at once.
    pub connections: usize,
    /// No request starts after this time.
    pub time: Duration,
    /// Requests in all, at most.
    pub count_max: usize,
    /// How far the preparation goes.
    pub limits: Limits,
}

impl SmallRequests {
    fn request(&self, image: &Image) -> Request {
        let digest = image.layers.first().copied().unwrap_or(image.configuration);
        match self.operation {
            Operation::HeadManifest => Request::HeadManifest(image.tag.clone()),
            Operation::GetBlob => Request::GetBlob(digest),
            Operation::HeadBlob => Request::HeadBlob(digest),
            _ => Request::GetManifest(image.tag.clone()),
        }
    }
}

impl Trial for SmallRequests {
    fn cell(&self) -> Cell {
        let is_blob = matches!(self.operation, Operation::GetBlob | Operation::HeadBlob);
        let size = is_blob.then(|| self.blobs.size());
        Cell { operation: self.operation, size, clients: self.connections }
    }

    fn prepare(&mut self, site: &Site) -> Result<(), BenchError> {
        site.furnish(&self.blobs, &self.limits).map(drop)
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        let image = site.furnish(&self.blobs, &self.limits)?;
        let requests = Requests {
            target: site.target()?,
            name: image.name.clone(),
            request: self.request(&image),
            connections: self.connections,
            time: self.time,
            count_max: self.count_max,
        };
        let measured = requests.measure(site.label(), site.server());
        let mut measured = measured.map_err(|source| site.failed(source))?;
        measured.size = self.cell().size;
        Ok(measured)
    }
}
