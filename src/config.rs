//! The settings of `wharf serve`: joins what was said in several places into the registry's own
//! [`Config`], and remembers who said what.
//!
//! The places, each of which outdoes those before it: the defaults; the container image
//! (`WHARF_IMAGE_*`); the file; registry:2's variables (`REGISTRY_*`); wharf's variables
//! (`WHARF_SERVE_*`); the flags. Opens no store and no socket.

pub mod address;
#[cfg(test)]
mod document;
pub mod error;
pub mod file;
pub mod ingest;
pub mod machine;
pub mod old_file;
pub mod registry_two;
pub mod setting;
pub mod table;
pub mod value;
pub mod variable;
pub mod yaml;

use std::fmt;
use std::path::PathBuf;

use wharf_registry::Config;

pub use crate::config::error::Error;
pub use crate::config::machine::Machine;
use crate::config::setting::Setting;
use crate::config::table::SETTINGS;
use crate::log;

/// Everything that `wharf serve` needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// The settings of the registry.
    pub registry: Config,
    /// The settings of its log.
    pub log: log::Settings,
    /// What is written about ingest; checked, it is in `registry`.
    pub ingest: ingest::Written,
}

impl Serve {
    /// The defaults on this machine. Without a home there is no default folder: the root is then
    /// empty, and [`join`] refuses it.
    pub fn new(machine: &Machine) -> Self {
        let mut registry = Config::new(machine.data_folder().unwrap_or_default());
        registry.listen = address::loopback(machine, 5000);
        Self { registry, log: log::Settings::default(), ingest: ingest::Written::default() }
    }
}

/// A setting as it was written somewhere: not checked yet.
#[derive(Debug, Clone)]
pub struct Written {
    /// Which setting.
    pub setting: &'static Setting,
    /// The values: one, but for a list.
    pub texts: Vec<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, with the line from 1.
    File { path: PathBuf, line: usize },
    /// A variable of the environment, or several.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// What the command line says about the settings.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// The flags of the settings.
    pub flags: Vec<Written>,
    /// `--config`: a file that must be there.
    pub file: Option<PathBuf>,
    /// A configuration of registry:2, as its image's command lines name one.
    pub old_file: Option<PathBuf>,
}

/// The settings, and what a person should know about how they came about.
#[derive(Debug)]
pub struct Joined {
    /// The settings.
    pub serve: Serve,
    /// What differs from the defaults: the setting, its value, and where that was written.
    pub taken: Vec<(&'static str, String, Origin)>,
    /// Variables of registry:2 that change nothing here, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
    /// Variables that look like registry:2's and are not known, each with the nearest that is.
    pub unknown: Vec<(String, Option<String>)>,
}

/// Joins the settings of all places.
pub fn join(line: CommandLine, machine: &Machine) -> Result<Joined, Error> {
    old_file::refuse(line.old_file.as_deref(), machine)?;
    let old = registry_two::translate(machine)?;
    let layers = [
        variable::of_image(machine)?,
        file::read(line.file.as_deref(), machine)?,
        old.written,
        variable::of_serve(machine)?,
        line.flags,
    ];

    let mut serve = Serve::new(machine);
    let mut origins = vec![None; SETTINGS.len()];
    for written in layers.into_iter().flatten() {
        fill(&mut serve, &written, machine)?;
        let place = SETTINGS.iter().position(|setting| setting.name == written.setting.name);
        if let Some(place) = place {
            origins[place] = Some(written.origin);
        }
    }
    let taken = SETTINGS
        .iter()
        .zip(origins)
        .filter_map(|(setting, origin)| Some((setting.name, setting.show(&mut serve), origin?)));
    let taken = taken.collect();
    Ok(Joined { serve: settled(serve)?, taken, left_out: old.left_out, unknown: old.unknown })
}

fn fill(serve: &mut Serve, written: &Written, machine: &Machine) -> Result<(), Error> {
    let filled = written.setting.fill(serve, &written.texts, machine);
    filled.map_err(|wrong| Error::Value {
        setting: written.setting.name,
        origin: written.origin.clone(),
        found: wrong.found,
        expected: wrong.expected,
    })
}

/// Settles what follows from several settings together.
fn settled(mut serve: Serve) -> Result<Serve, Error> {
    let registry = &mut serve.registry;
    if registry.root.as_os_str().is_empty() {
        return Err(Error::NoDataFolder);
    }
    if registry.listen.is_empty() {
        return Err(Error::NoAddress);
    }
    if let Some((one, other)) = address::overlap(&registry.listen, registry.admin_listen) {
        return Err(Error::Overlap { one, other });
    }
    registry.ingest = serve.ingest.checked()?;
    registry.catalog_page = registry.catalog_page.min(registry.page_entries_max);
    // The registry's own pages are those under its public name too.
    let public = registry.http.location_base.as_deref().and_then(|url| url.split("://").nth(1));
    if let Some(host) = public.and_then(|rest| rest.split(['/', ':']).next()) {
        let host = host.to_ascii_lowercase();
        if !host.is_empty() && !registry.http.names.contains(&host) {
            registry.http.names.push(host);
        }
    }
    Ok(serve)
}

#[cfg(test)]
mod tests;
