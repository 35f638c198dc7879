//! How fast is a blob pulled, and what does it cost the server? Clients GET one large blob over
//! keep-alive connections and throw it away, until so many bytes have come.

use std::time::Duration;

use wharf_oci::{Digest, Endpoint, Hasher, RepositoryName};

use crate::clients::{self, Budget};
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
    /// The most time this may take.
    pub time_max: Duration,
    /// Hash what comes. Costs the client more CPU than the pull costs the server.
    pub verify: bool,
}

impl Pull {
    /// Pulls.
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
                let mut bytes = 0;
                while budget.is_left()? {
                    bytes += self.pull(&mut connection, &path, &budget)?;
                }
                Ok(bytes)
            },
        )?;
        let mut measured = Measurement::new(label, Operation::Pull, self.clients, run.time);
        measured.bytes = Some(run.results.iter().sum());
        Ok(measured.with_usage(run.usage))
    }

    /// One GET, until its end or the budget's; returns the bytes that came.
    fn pull(
        &self,
        connection: &mut Connection,
        path: &str,
        budget: &Budget,
    ) -> Result<u64, LoadError> {
        connection.send("GET", path, "")?;
        let length = connection.expect(200)?.body;
        let mut hasher = self.verify.then(|| Hasher::new(self.digest.algorithm()));
        let mut received = 0;
        connection.receive_while(length, |piece| {
            received += piece.len() as u64;
            if let Some(hasher) = &mut hasher {
                hasher.update(piece);
            }
            budget.spend(piece.len() as u64)
        })?;
        if let Some(hasher) = hasher
            && received == length
        {
            let found = hasher.finalize();
            if found != self.digest {
                return Err(LoadError::Corrupt {
                    expected: self.digest.into(),
                    found: found.into(),
                });
            }
        }
        Ok(received)
    }
}

/// The path of a blob.
pub(crate) fn blob_path(name: &RepositoryName, digest: Digest) -> String {
    Endpoint::GetBlob { name: name.clone(), digest }.to_uri()
}
