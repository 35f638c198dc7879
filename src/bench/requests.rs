//! How many small requests a second: manifests by tag, HEADs, a small blob.

use std::time::Duration;

use wharf_load::content::Blobs;
use wharf_load::{Cell, Image, Measurement, Operation, Request, Requests};
use wharf_oci::{Digest, Tag};

use super::guest::Written;
use super::{BenchError, Site, Trial};

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
}

impl SmallRequests {
    #[expect(clippy::expect_used, reason = "a constant that is a tag")]
    fn tag() -> Tag {
        "latest".parse().expect("a tag")
    }

    fn digest(&self) -> Digest {
        self.blobs.blob(0).digest
    }

    fn request(&self) -> Request {
        match self.operation {
            Operation::HeadManifest => Request::HeadManifest(Self::tag()),
            Operation::GetBlob => Request::GetBlob(self.digest()),
            Operation::HeadBlob => Request::HeadBlob(self.digest()),
            _ => Request::GetManifest(Self::tag()),
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
        let (name, tag) = (site.guest.name().clone(), Self::tag());
        let pushed = Image::push(&site.target, name, tag, &self.blobs, 1);
        let image = pushed.map_err(|source| site.failed(source))?;
        let blobs = image.layers.iter().chain([&image.configuration]).copied();
        site.guest.remember(blobs.map(Written::Blob).chain([Written::Manifest(image.manifest)]));
        Ok(())
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        let requests = Requests {
            target: site.target.clone(),
            name: site.guest.name().clone(),
            request: self.request(),
            connections: self.connections,
            time: self.time,
            count_max: self.count_max,
        };
        let measured = requests.measure(&site.label, site.server.as_ref());
        let mut measured = measured.map_err(|source| site.failed(source))?;
        measured.size = self.cell().size;
        Ok(measured)
    }
}
