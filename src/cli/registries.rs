//! What the user's `registries.conf` says of a registry, for every subcommand that asks one.

use std::env;
use std::path::PathBuf;

use thiserror::Error;
use wharf_client::{
    AddressError, RegistriesConf, RegistriesConfError, RegistryAddress, RegistryRule, Trust,
};

/// Why a registry is not asked.
#[derive(Debug, Error)]
pub enum RulesError {
    /// The rules cannot be read.
    #[error(transparent)]
    Conf(#[from] RegistriesConfError),
    /// A rule forbids it.
    #[error("{0} is blocked in registries.conf")]
    Blocked(String),
    /// A rule leads to what is no address.
    #[error("registries.conf gives {registry} a place that cannot be asked")]
    Location {
        /// The registry.
        registry: String,
        /// What is wrong with it.
        #[source]
        source: AddressError,
    },
}

/// The address at which a registry is to be asked, and whom to trust there.
pub fn by_rules(
    address: RegistryAddress,
    trust: &mut Trust,
) -> Result<RegistryAddress, RulesError> {
    let (file, folders) = places();
    let conf = RegistriesConf::read(&file, &folders)?;
    match conf.find(address.name(), None) {
        None => Ok(address),
        Some(rule) => apply(rule, address, trust),
    }
}

fn apply(
    rule: &RegistryRule,
    address: RegistryAddress,
    trust: &mut Trust,
) -> Result<RegistryAddress, RulesError> {
    let registry = address.name().to_owned();
    if rule.blocked {
        return Err(RulesError::Blocked(registry));
    }
    trust.insecure |= rule.insecure;
    match rule.location.as_deref().filter(|location| *location != registry) {
        Some(location) => {
            location.parse().map_err(|source| RulesError::Location { registry, source })
        }
        None => Ok(address),
    }
}

/// The file, and the folders that come after it; the user's own before the machine's.
fn places() -> (PathBuf, Vec<PathBuf>) {
    let folder = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let own = config.map(|config| config.join("containers"));
    let shared = PathBuf::from("/etc/containers");
    let own_file = own.as_ref().map(|own| own.join("registries.conf")).filter(|it| it.is_file());
    let file = folder("CONTAINERS_REGISTRIES_CONF").or(own_file);
    let folders = [Some(shared.clone()), own].into_iter().flatten();
    let folders = folders.map(|it| it.join("registries.conf.d")).collect();
    (file.unwrap_or_else(|| shared.join("registries.conf")), folders)
}
