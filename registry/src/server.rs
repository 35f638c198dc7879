//! Floor 4: sockets. Listens, limits connections and time, hands each request to [`Http`], and drains
//! when told to stop. It knows nothing of what a request means.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::OpenError;
use crate::activity::Activity;
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::http::{Face, Http};
use crate::metrics::Metrics;
use crate::registry::Registry;

mod connection;
mod descriptors;
mod listener;
mod memory;
mod outgoing;
mod phase;
mod socket;
mod tls_hello;

use self::memory::{ConnectionMemory, LARGE_READ_BUFFER_BYTES, READ_BUFFER_BYTES};

/// How long the accept loop rests when the system has no descriptors or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper keeps room for this many header fields on its stack; any other limit costs an allocation
/// for each request.
const HYPER_HEADERS_MAX: usize = 100;

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store could not be opened.
    #[error("cannot open the store")]
    Open(#[source] OpenError),
    /// Another program listens on the address.
    #[error("the address {address} is already in use")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system refused to listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// What was written could not be made durable at the end. What was acknowledged is.
    #[error("cannot sync the store at the end")]
    Settle(#[source] Error),
}

/// A registry that listens, and answers once it runs.
#[derive(Debug)]
pub struct Server {
    registry: Registry,
    shared: Shared,
    listeners: Vec<(TcpListener, Face)>,
    addresses: Vec<SocketAddr>,
    drain_time_max: Duration,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    http: Http,
    metrics: Arc<Metrics>,
    activity: Arc<Activity>,
    protocol: http1::Builder,
    /// The same with a large reading buffer.
    large_protocol: http1::Builder,
    memory: ConnectionMemory,
    limits: Limits,
    tls_hellos: tls_hello::Told,
}

/// How far the end has come, for those who have to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// No new requests; those that run may finish.
    Draining,
    /// Time is up.
    Stopped,
}

impl Stage {
    /// Waits until the end has come this far.
    async fn reached(self, stages: &mut watch::Receiver<Self>) {
        // A server that is gone has stopped.
        _ = stages.wait_for(|stage| *stage >= self).await;
    }
}

impl Server {
    /// Opens the store and listens. Has to be called within a tokio runtime; blocks while the store
    /// is opened, for seconds where another process holds it.
    ///
    /// # Errors
    /// The store cannot be opened, or an address cannot be listened on.
    pub fn bind(config: Config) -> Result<Self, ServeError> {
        let registry = Registry::open(&config).map_err(ServeError::Open)?;
        let mut listeners = Vec::new();
        for listener in listener::listen_all(&config.listen)? {
            listeners.push((listener, Face::Api));
        }
        for listener in listener::listen_all(config.admin_listen.as_slice())? {
            listeners.push((listener, Face::Admin));
        }
        let addresses = listeners.iter().map(|(listener, _)| listener.local_addr());
        let addresses = addresses.collect::<Result<_, _>>().map_err(|source| {
            let address = config.listen.first().copied();
            ServeError::Listen { address: address.unwrap_or(([0; 4], 0).into()), source }
        })?;
        let metrics = Arc::new(Metrics::new());
        let activity = Arc::new(Activity::default());
        let http =
            Http::new(&config, registry.clone(), Arc::clone(&metrics), Arc::clone(&activity));
        let mut limits = config.limits;
        limits.connections_max = descriptors::connections_max(limits.connections_max);
        let shared = Shared {
            http,
            metrics,
            activity,
            protocol: protocol(&limits, READ_BUFFER_BYTES),
            large_protocol: protocol(&limits, LARGE_READ_BUFFER_BYTES),
            memory: ConnectionMemory::new(),
            limits,
            tls_hellos: tls_hello::Told::default(),
        };
        Ok(Self {
            registry,
            listeners,
            addresses,
            drain_time_max: shared.limits.drain_time_max,
            shared,
        })
    }

    /// Where it listens: those of the API first, in the order of the settings, then that of the
    /// admin pages. Port 0 has become the port that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` ends, lets the requests that are running finish for
    /// [`Limits::drain_time_max`], and syncs the store.
    ///
    /// # Errors
    /// The store cannot be synced at the end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { registry, shared, listeners, drain_time_max, .. } = self;
        let shared = Arc::new(shared);
        let (stage, stages) = watch::channel(Stage::Serving);
        let connections = Arc::new(Semaphore::new(shared.limits.connections_max));
        let accepting = listeners.into_iter().map(|(listener, face)| {
            let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
            tokio::spawn(accept(listener, face, shared, connections, stages.clone()))
        });
        let accepting: Vec<_> = accepting.collect();
        let inheriting = async {
            if let Err(error) = registry.inherit().await {
                tracing::warn!("what an earlier process wrote may not be durable: {error}");
            }
            registry.purge_forever().await;
            std::future::pending().await
        };
        tokio::select! {
            () = shutdown => {}
            () = inheriting => {}
            () = shared.activity.report() => {}
            () = shared.memory.give_back_forever() => {}
        }
        stage.send_replace(Stage::Draining);
        for task in accepting {
            // The tasks end by themselves; one that panicked has ended too.
            _ = task.await;
        }
        drain(&shared, &connections, drain_time_max).await;
        stage.send_replace(Stage::Stopped);
        registry.settle().await.map_err(ServeError::Settle)
    }
}

/// hyper as it serves every connection. Time is limited by `phase` and `socket`, at less cost; and
/// `pipeline_flush` stays off, since it would make hyper copy each body. A client that has said all
/// it has to say may close its half, and still gets its answer; one that is gone is noticed when it
/// is written to.
fn protocol(limits: &Limits, read_buffer_bytes: usize) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .header_read_timeout(None)
        .half_close(true)
        .max_buf_size(read_buffer_bytes.max(limits.header_bytes_max))
        .max_header_size(limits.header_bytes_max);
    if limits.headers_max != HYPER_HEADERS_MAX {
        protocol.max_headers(limits.headers_max);
    }
    protocol
}

/// Accepts connections until the drain begins, and then those that have come by then. Waits when
/// there are too many: the next ones queue in the system.
async fn accept(
    listener: TcpListener,
    face: Face,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    mut stages: watch::Receiver<Stage>,
) {
    let to_connections = stages.clone();
    let serve = |(stream, address): (TcpStream, SocketAddr), permit: OwnedSemaphorePermit| {
        let client = address.ip().to_canonical();
        let shared = Arc::clone(&shared);
        let stages = to_connections.clone();
        tokio::spawn(async move {
            connection::serve(stream, client, face, &shared, stages).await;
            drop(permit);
        });
    };
    let mut ended = std::pin::pin!(Stage::Draining.reached(&mut stages));
    loop {
        let next = async {
            let connection = next_connection(&listener).await;
            let permit = Arc::clone(&connections).acquire_owned().await;
            (connection, permit)
        };
        let (connection, permit) = tokio::select! {
            next = next => next,
            () = &mut ended => break,
        };
        let Ok(permit) = permit else { return };
        serve(connection, permit);
    }
    for connection in listener::waiting(listener) {
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { return };
        serve(connection, permit);
    }
}

/// The next connection, however long it takes: whatever goes wrong with one, the next may be fine.
async fn next_connection(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("cannot accept a connection, trying again: {error}");
                // Out of descriptors, say: the connection still waits, and asking at once would spin.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error says that a client gave up before its connection was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Waits until all connections are closed, but no longer than `limit`.
async fn drain(shared: &Shared, connections: &Semaphore, limit: Duration) {
    let all = u32::try_from(shared.limits.connections_max).unwrap_or(u32::MAX);
    if tokio::time::timeout(limit, connections.acquire_many(all)).await.is_err() {
        let open = shared.limits.connections_max - connections.available_permits();
        tracing::warn!(
            "{open} connections were still open after {} seconds, and are closed",
            limit.as_secs()
        );
    }
}
