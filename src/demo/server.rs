//! The demo's registry: the real one, in this process, on a free loopback port, with a store that
//! goes when the demo ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wharf_client::RegistryClient;
use wharf_registry::{Config, ServeError, Server};

use super::DemoError;

/// A running registry.
#[derive(Debug)]
pub struct DemoServer {
    address: SocketAddr,
    ready_in: Duration,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServeError>>,
    // Removed when it is dropped, after the registry has ended.
    folder: TempDir,
}

impl DemoServer {
    /// Starts a registry and waits until it answers.
    pub async fn start() -> Result<Self, DemoError> {
        let prefix = "wharf-demo-";
        let folder =
            tempfile::Builder::new().prefix(prefix).tempdir().map_err(DemoError::Folder)?;
        let began = Instant::now();
        let mut config = Config::new(folder.path());
        config.listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
        let server = Server::bind(config)?;
        let address = server.addresses().first().copied().ok_or(DemoError::Gone)?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async { _ = stopped.await }));
        RegistryClient::new(address.into()).ping().await?;
        Ok(Self { address, ready_in: began.elapsed(), stop, running, folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it took from nothing to its first answer.
    pub fn ready_in(&self) -> Duration {
        self.ready_in
    }

    /// Ends the registry and removes its store.
    pub async fn end(self) -> Result<(), DemoError> {
        // If nobody listens any more, the task below says why.
        _ = self.stop.send(());
        self.running.await.map_err(|_| DemoError::Gone)??;
        self.folder.close().map_err(DemoError::Folder)
    }
}
