//! The side that pushes, and the rules of registries.conf that it has: on this machine, or in Podman's
//! virtual machine, into which they are read and written by its shell. Refuses to judge them.

use std::io;
use std::path::{Path, PathBuf};

use wharf_client::RegistriesConf;

use crate::setup::machine::{self, Machine, quoted};
use crate::setup::receipt::Made;
use crate::setup::{Config, SetupError, Site, hand};

/// The machine's own rules, which come before the user's.
pub(super) const SHARED: &str = "/etc/containers";
/// The folder beside `registries.conf`.
pub(super) const FOLDER: &str = "registries.conf.d";

/// Where Podman reads its rules.
#[derive(Debug)]
pub(super) enum Side {
    /// On this machine, in the user's folder: root's Podman reads its user's, too.
    Here(PathBuf),
    /// In a virtual machine, for root's Podman or the user's in it.
    Inside { machine: Machine, is_rootless: bool },
}

/// The rules of one side.
pub(super) struct Rules {
    pub(super) conf: RegistriesConf,
    /// What our file holds.
    pub(super) ours: Option<String>,
}

impl Side {
    /// The side that pushes; none if that is a machine that cannot be looked into.
    pub(super) fn of(site: &Site) -> Result<Option<Self>, SetupError> {
        let info = site.engine.info()?;
        if !info.is_remote {
            return Ok(Some(Self::Here(site.places.config.join("containers"))));
        }
        let machine = machine::of_engine(&site.engine)?;
        let is_rootless = info.is_rootless;
        Ok(machine.map(|machine| Self::Inside { machine, is_rootless }))
    }

    /// Our file. In a machine, `~` is its user's home.
    pub(super) fn path(&self, config: &Config) -> PathBuf {
        let name = format!("50-wharf-{}.conf", config.registry);
        match self {
            Self::Here(folder) => folder.join(FOLDER).join(name),
            Self::Inside { is_rootless: true, .. } => {
                Path::new("~/.config/containers").join(FOLDER).join(name)
            }
            Self::Inside { .. } => Path::new(SHARED).join(FOLDER).join(name),
        }
    }

    pub(super) fn made(&self, config: &Config) -> Made {
        Made::File { path: self.path(config), in_machine: matches!(self, Self::Inside { .. }) }
    }

    pub(super) fn rules(&self, site: &Site) -> Result<Rules, SetupError> {
        let path = self.path(&site.config);
        match self {
            Self::Here(own) => {
                let own_file = own.join("registries.conf");
                let shared = Path::new(SHARED);
                let file =
                    if own_file.is_file() { own_file } else { shared.join("registries.conf") };
                let conf = RegistriesConf::read(&file, &[shared.join(FOLDER), own.join(FOLDER)])
                    .map_err(malformed)?;
                let ours = match hand::read_text(&path) {
                    Ok(text) => Some(text),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(source) => {
                        let error = wharf_client::RegistriesConfError::Read { path, source };
                        return Err(malformed(error));
                    }
                };
                Ok(Rules { conf, ours })
            }
            Self::Inside { machine, is_rootless } => {
                let program = machine.shell(READ, !is_rootless);
                let answer = site.hand().ask(&program)?;
                let files = files_of(&String::from_utf8_lossy(&answer));
                let name = path.file_name();
                let ours = files.iter().find(|(path, _)| path.file_name() == name);
                let ours = ours.map(|(_, text)| text.clone());
                Ok(Rules { conf: RegistriesConf::parse(files).map_err(malformed)?, ours })
            }
        }
    }

    pub(super) fn write(&self, site: &Site, text: &str) -> Result<(), SetupError> {
        let path = self.path(&site.config);
        match self {
            Self::Here(_) => Ok(site.hand().write(&path, text, 0o644)?),
            Self::Inside { machine, is_rootless } => {
                let (folder, file) = (in_shell(path.parent().unwrap_or(&path)), in_shell(&path));
                // A run that is ended on the way leaves less than all of it: that is no file of ours.
                let (new, bytes) = (in_shell(&path.with_extension("new")), text.trim_end().len());
                let line = format!(
                    "mkdir -p {folder} && cat > {new} && [ $(wc -c < {new}) -ge {bytes} ] && mv {new} {file} \
                     || {{ rm -f {new}; false; }}"
                );
                Ok(site.hand().feed(&machine.shell(&line, !is_rootless), text.as_bytes())?)
            }
        }
    }
}

/// What the machine's shell reads the rules with: each file behind a line with its name.
const READ: &str = "own=~/.config/containers; main=$own/registries.conf; \
                    [ -f $main ] || main=/etc/containers/registries.conf; \
                    for file in $main /etc/containers/registries.conf.d/*.conf \
                    $own/registries.conf.d/*.conf; do [ ! -f $file ] || { echo \"#==> $file\"; cat \
                    $file; echo; }; done";

/// The files in an answer to [`READ`].
pub(super) fn files_of(answer: &str) -> Vec<(PathBuf, String)> {
    let pieces = answer.split("#==> ").filter_map(|piece| piece.split_once('\n'));
    pieces.map(|(path, text)| (PathBuf::from(path), text.trim_end().to_owned() + "\n")).collect()
}

/// A path as a shell takes it, whose home folder it finds by itself.
pub(super) fn in_shell(path: &Path) -> String {
    let path = path.to_string_lossy();
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", quoted(rest)),
        None => quoted(&path),
    }
}

fn malformed(error: wharf_client::RegistriesConfError) -> SetupError {
    SetupError::InTheWay {
        what: format!("{error}: Podman does not understand its rules either"),
        hint: "mend that file, or move it away".into(),
    }
}
