//! How much memory does the server take when many large blobs go in and out at once? Every client pulls
//! or pushes one blob, all at the same time.

use wharf_oci::{Digest, RepositoryName};

use crate::clients;
use crate::content::Blobs;
use crate::pull::blob_path;
use crate::push::push_blob;
use crate::{Connection, LoadError, Measurement, Operation, ServerProcess, Target};

/// Pulls and pushes at once.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// The registry.
    pub target: Target,
    /// The repository that is read and written.
    pub name: RepositoryName,
    /// The blob that is pulled.
    pub digest: Digest,
    /// The blobs that are pushed.
    pub blobs: Blobs,
    /// Clients that pull.
    pub pulls: usize,
    /// Clients that push.
    pub pushes: usize,
}

impl Mixed {
    /// Pulls and pushes, once per client.
    ///
    /// # Errors
    /// When the registry fails one of them.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let path = blob_path(&self.name, self.digest);
        let run = clients::run(
            self.pulls + self.pushes,
            server,
            |index| Ok((index, Connection::open(&self.target)?)),
            |(index, mut connection)| match index.checked_sub(self.pulls) {
                None => {
                    connection.send("GET", &path, "")?;
                    let head = connection.expect(200)?;
                    let mut length = 0;
                    connection.receive_body(&head, |piece| {
                        length += piece.len() as u64;
                        true
                    })?;
                    Ok(length)
                }
                Some(number) => {
                    let blob = self.blobs.blob(number as u64);
                    let file = self.blobs.open()?;
                    push_blob(&mut connection, &self.name, &self.blobs, &blob, &file)?;
                    Ok(self.blobs.size())
                }
            },
        )?;
        let clients = self.pulls + self.pushes;
        let mut measured = Measurement::new(label, Operation::Mixed, clients, run.time);
        measured.bytes = Some(run.results.iter().sum());
        Ok(measured.with_usage(run.usage))
    }
}
