//! How fast is a blob pushed? Every blob is new to the registry, in every round.

use std::time::Duration;

use wharf_load::content::Blobs;
use wharf_load::{Cell, Measurement, Operation, Pull, Push, Target};

use super::guest::Written;
use super::{BenchError, Limits, Site, Trial};

/// Pushes of blobs by some clients.
#[derive(Debug)]
pub struct BlobPushes {
    /// The blobs; each measurement pushes others like them.
    pub blobs: Blobs,
    /// Clients at once.
    pub clients: usize,
    /// Pushes in each measurement.
    pub count: u64,
    /// Every client pushes the same blob.
    pub same: bool,
    /// How far it goes.
    pub limits: Limits,
}

impl BlobPushes {
    /// Reads a blob back and checks it, when the clock has stopped.
    fn read_back(&self, site: &Site, target: Target, blobs: &Blobs) -> Result<(), BenchError> {
        let last = if self.same { 0 } else { self.count.saturating_sub(1) };
        let pull = Pull {
            target,
            name: site.guest().name().clone(),
            digest: blobs.blob(last).digest,
            clients: 1,
            bytes_max: self.limits.bytes_max,
            whole: Some(Duration::ZERO),
            time_max: self.limits.time_max,
            verify: true,
        };
        pull.measure(site.label(), None).map(drop).map_err(|source| site.failed(source))
    }
}

impl Trial for BlobPushes {
    fn cell(&self) -> Cell {
        let operation = if self.same { Operation::PushSame } else { Operation::Push };
        Cell { operation, size: Some(self.blobs.size()), clients: self.clients }
    }

    fn prepare(&mut self, _site: &Site) -> Result<(), BenchError> {
        self.limits.allow(self.cell(), self.blobs.size() * self.count)
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        let target = site.target()?;
        let blobs = self.blobs.of_run(getrandom::u64().map_err(BenchError::Random)?);
        let pushed = if self.same { 1 } else { self.count };
        site.guest().remember((0..pushed).map(|number| Written::Blob(blobs.blob(number).digest)));
        let push = Push {
            target: target.clone(),
            name: site.guest().name().clone(),
            blobs: blobs.clone(),
            clients: self.clients,
            count: self.count,
            same: self.same,
            time_max: self.limits.time_max,
        };
        let measured = push.measure(site.label(), site.server());
        let mut measured = measured.map_err(|source| site.failed(source))?;
        measured.size = self.cell().size;
        if self.limits.verify {
            self.read_back(site, target, &blobs)?;
        }
        Ok(measured)
    }
}
