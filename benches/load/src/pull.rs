//! How fast is a blob pulled, and what does it cost the server? Clients GET one large blob over
//! keep-alive connections and throw it away, until so many bytes have come.

use std::time::{Duration, Instant};

use wharf_oci::{Digest, Endpoint, RepositoryName};

use crate::clients::{self, Budget};
use crate::download;
use crate::measurement::{Latency, micros};
use crate::{Connection, LoadError, Measurement, Operation, ServerProcess, Target};

/// Pulls of one blob.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The registry.
    pub target: Target,
    /// The repository with the blob.
    pub name: RepositoryName,
    /// The blob.
    pub digest: Digest,
    /// Clients at once.
    pub clients: usize,
    /// Bytes to pull in all; the clients stop there, in the middle of the blob if need be.
    pub bytes_max: u64,
    /// No pull ends in the middle: each client pulls the blob once, and again as long as this time has
    /// not passed and the next one fits into `bytes_max`.
    pub whole: Option<Duration>,
    /// The most time this may take.
    pub time_max: Duration,
    /// Hash what comes. Costs the client more CPU than the pull costs the server.
    pub verify: bool,
}

/// What one client did.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) bytes: u64,
    /// Microseconds of each pull.
    pub(crate) took: Vec<u32>,
    /// Microseconds to the first byte of each.
    pub(crate) first_byte: Vec<u32>,
}

impl Pull {
    /// Pulls. The latencies are those of a whole pull, where pulls are whole.
    ///
    /// # Errors
    /// When the registry does not give the blob whole and in time.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let budget = Budget::new(self.bytes_max, self.time_max);
        let path = blob_path(&self.name, self.digest);
        let run = clients::run(
            self.clients,
            server,
            |_| Connection::open(&self.target),
            |mut connection| {
                let mut pulled = Pulled::default();
                let mut size = 0;
                while self.goes_on(&budget, size)? {
                    size = self.pull(&mut connection, &path, &budget, &mut pulled)?;
                }
                Ok(pulled)
            },
        )?;
        let mut measured = Measurement::new(label, Operation::Pull, self.clients, run.time);
        measured.take_pulls(run.results);
        if self.whole.is_none() {
            measured.latency = None;
            measured.requests = None;
        }
        Ok(measured.with_usage(run.usage))
    }

    /// Whether a client begins another pull; `size` is that of its last, 0 before the first.
    fn goes_on(&self, budget: &Budget, size: u64) -> Result<bool, LoadError> {
        match self.whole {
            None => budget.is_left(),
            Some(time) => Ok(size == 0 || budget.allows(size, time)),
        }
    }

    /// One GET, until its end or the budget's; returns the bytes that came.
    fn pull(
        &self,
        connection: &mut Connection,
        path: &str,
        budget: &Budget,
        pulled: &mut Pulled,
    ) -> Result<u64, LoadError> {
        let started = Instant::now();
        let digest = self.verify.then_some(self.digest);
        let got = download::get(&self.target, connection, path, digest, |piece| {
            let units = piece.len() as u64;
            match self.whole {
                None => Ok(budget.spend(units)),
                Some(_) => budget.use_up(units).map(|()| true),
            }
        })?;
        pulled.bytes += got.bytes;
        pulled.took.push(micros(started.elapsed()));
        pulled.first_byte.push(micros(got.first_byte));
        Ok(got.bytes)
    }
}

impl Measurement {
    /// Adds what the clients of a pull did.
    pub(crate) fn take_pulls(&mut self, clients: Vec<Pulled>) {
        let (mut took, mut first_byte) = (Vec::new(), Vec::new());
        self.bytes = Some(clients.iter().map(|client| client.bytes).sum());
        for client in clients {
            took.extend(client.took);
            first_byte.extend(client.first_byte);
        }
        self.requests = Some(took.len() as u64);
        self.latency = Latency::of(&mut took);
        self.first_byte = Latency::of(&mut first_byte);
    }
}

/// The path of a blob.
pub(crate) fn blob_path(name: &RepositoryName, digest: Digest) -> String {
    Endpoint::GetBlob { name: name.clone(), digest }.to_uri()
}
