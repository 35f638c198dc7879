//! `wharf healthcheck`: whether the registry of this container is ready, for images that hold no
//! other program that could ask.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::time::timeout;
use wharf_client::{RegistryAddress, RegistryClient};
use wharf_registry::Config;

use crate::cli::remote::{RemoteError, ask};
use crate::config::{self, CommandLine, Machine};
use crate::failure::Failure;
use crate::report::Report;

/// How long all of the asking may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Which registry to ask.
#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    /// The registry to ask; without it, the one that `wharf serve` would be, with the settings of
    /// this environment
    #[arg(long, value_name = "HOST:PORT")]
    registry: Option<RegistryAddress>,
}

/// Why a registry is not known to be ready.
#[derive(Debug, Error)]
pub enum HealthError {
    /// It cannot be asked, or says that it is not ready.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// It takes its time.
    #[error("no answer from {} within {} s", listed(addresses), ANSWER_TIME_MAX.as_secs())]
    Late {
        /// Where it was asked.
        addresses: Vec<RegistryAddress>,
    },
}

/// Ends well if the registry says that it is ready.
pub fn run(args: HealthcheckArgs, report: &Report) -> Result<(), Failure> {
    let addresses = match args.registry {
        Some(address) => vec![address],
        None => {
            let settings = config::join(CommandLine::default(), &Machine::read())?;
            own_addresses(&settings.serve.registry)
        }
    };
    let asking = async { Ok(timeout(ANSWER_TIME_MAX, first_ready(&addresses)).await) };
    match ask(asking).map_err(HealthError::from)? {
        Ok(ready) => Ok(report.data(&ready.map_err(HealthError::from)?)?),
        Err(_) => Err(HealthError::Late { addresses }.into()),
    }
}

/// Where this container's registry answers for its health.
fn own_addresses(config: &Config) -> Vec<RegistryAddress> {
    let listening = match config.admin_listen {
        Some(address) => vec![address],
        None => config.listen.clone(),
    };
    let reachable = listening.into_iter().flat_map(|address| match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST, address)],
        // Where IPv6 is off, the address for everything means that of IPv4.
        IpAddr::V6(ip) if ip.is_unspecified() => {
            vec![at(Ipv4Addr::LOCALHOST, address), at(Ipv6Addr::LOCALHOST, address)]
        }
        _ => vec![address],
    });
    reachable.map(RegistryAddress::from).collect()
}

fn at(ip: impl Into<IpAddr>, address: SocketAddr) -> SocketAddr {
    SocketAddr::new(ip.into(), address.port())
}

/// The first address that answers as ready; else what the last one said.
async fn first_ready(addresses: &[RegistryAddress]) -> Result<Ready, RemoteError> {
    let mut answer = Ok(());
    for address in addresses {
        answer = RegistryClient::new(address.clone()).ready().await;
        if answer.is_ok() {
            return Ok(Ready { registry: address.to_string() });
        }
    }
    answer.map_err(RemoteError::from).map(|()| Ready { registry: listed(addresses) })
}

fn listed(addresses: &[RegistryAddress]) -> String {
    addresses.iter().map(RegistryAddress::to_string).collect::<Vec<_>>().join(" and ")
}

#[derive(Debug, Serialize)]
struct Ready {
    registry: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ready", self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_asked_on_loopback() {
        let mut config = Config::new("/");
        for (listen, asked) in [
            ("0.0.0.0:5000", "127.0.0.1:5000"),
            ("[::]:5001", "127.0.0.1:5001 and [::1]:5001"),
            // Another machine would be asked by TLS, if nothing were said.
            ("10.0.0.1:5000", "http://10.0.0.1:5000"),
        ] {
            config.listen = vec![listen.parse().unwrap()];
            assert_eq!(listed(&own_addresses(&config)), asked);
        }
        config.admin_listen = Some("0.0.0.0:9000".parse().unwrap());
        assert_eq!(listed(&own_addresses(&config)), "127.0.0.1:9000");
    }
}
