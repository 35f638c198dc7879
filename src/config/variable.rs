//! wharf's own variables: `WHARF_SERVE_*`, and the two that its container image is built with.
//!
//! A misspelt one is refused: the setting that was meant may be one that protects.

use crate::config::registry_two::is_injected;
use crate::config::setting::{PREFIX, Setting};
use crate::config::table::{self, SETTINGS};
use crate::config::{Error, Machine, Origin, Written};

/// The variables that the container image carries its own defaults in. They have names of their own,
/// so that the file and a `REGISTRY_*` variable can outdo them.
pub const OF_IMAGE: [(&str, &str); 2] =
    [("WHARF_IMAGE_ROOT", "root"), ("WHARF_IMAGE_LISTEN", "listen")];

/// The variable that names the settings file, as `--config` does.
pub const FILE: &str = "WHARF_SERVE_CONFIG";

/// What the container image says.
pub fn of_image(machine: &Machine) -> Result<Vec<Written>, Error> {
    let named = OF_IMAGE.iter().filter_map(|(variable, name)| {
        Some((*variable, table::find(name)?, machine.variable(variable)?))
    });
    named.map(|(variable, setting, text)| written(variable, setting, text)).collect()
}

/// What `WHARF_SERVE_*` say.
pub fn of_serve(machine: &Machine) -> Result<Vec<Written>, Error> {
    let mut all = Vec::new();
    for name in machine.variables.keys() {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let Some(text) = machine.variable(name) else { continue };
        if name == FILE || is_injected(rest, text) {
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == *name) else {
            let nearest = table::nearest(name, SETTINGS.iter().map(|setting| setting.variable()));
            return Err(Error::UnknownVariable { name: name.clone(), nearest });
        };
        all.push(written(name, setting, text)?);
    }
    Ok(all)
}

fn written(variable: &str, setting: &'static Setting, text: &str) -> Result<Written, Error> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Error::NotText { variable: variable.to_owned() });
    }
    let origin = Origin::Variable(variable.to_owned());
    Ok(Written { setting, texts: setting.split(text), origin })
}
