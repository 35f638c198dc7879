//! registry:2's variables, `REGISTRY_*`: turned into wharf's settings where wharf has the same one,
//! named where leaving them out does no harm, and refused where dropping them would open what a
//! person meant to protect.
//!
//! What becomes of each variable is written down once, in [`fate`].

pub mod fate;

use std::collections::BTreeMap;
use std::fmt;

use crate::config::registry_two::fate::{Fate, KNOWN};
use crate::config::table;
use crate::config::{Error, Machine, Origin, Written, yaml};

/// What the name of every variable begins with.
pub const PREFIX: &str = "REGISTRY_";

/// What the variables say.
#[derive(Debug, Default)]
pub struct Translated {
    /// As settings of wharf's.
    pub written: Vec<Written>,
    /// Those that change nothing, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
    /// Those that are not known, each with the nearest that is.
    pub unknown: Vec<(String, Option<String>)>,
}

/// Settings that wharf must not drop, and cannot honour, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The variables, as they are set.
    pub variables: Vec<String>,
    /// What wharf would have to drop.
    pub why: &'static str,
    /// What to do.
    pub instead: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.variables.join(", "), self.why, self.instead)
    }
}

/// One value of registry:2's, wherever it was written: in a variable of its own, in one that holds a
/// map, or in a file.
#[derive(Debug)]
pub struct Value {
    /// The name without `REGISTRY_`, in capitals but for the name of a header.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Turns the machine's variables into settings. All that are refused are named at once.
pub fn translate(machine: &Machine) -> Result<Translated, Error> {
    let mut translation = Translation::default();
    // In the order of their names, as registry:2 does: a map before its leaves.
    for variable in machine.variables.keys() {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        let Some(text) = machine.variable(variable) else { continue };
        if is_injected(name, text) {
            continue;
        }
        for value in values(name, text) {
            translation.take(variable, &value);
        }
    }
    translation.finish()
}

/// The values that a variable holds: registry:2 reads each as YAML.
fn values(name: &str, text: &str) -> Vec<Value> {
    let Ok(leaves) = yaml::read(text) else {
        return vec![Value { name: name.to_owned(), text: text.to_owned() }];
    };
    leaves.into_iter().map(|leaf| Value::new(name, &leaf.path, leaf.value)).collect()
}

impl Value {
    /// The value under a path of keys, which is below `top`.
    pub fn new(top: &str, path: &[String], text: String) -> Self {
        let mut name = top.to_owned();
        for key in path {
            let is_header = name == fate::HEADERS;
            name.push_str(if name.is_empty() { "" } else { "_" });
            name.push_str(&if is_header { key.clone() } else { key.to_ascii_uppercase() });
        }
        Self { name, text }
    }

    /// Whether this is a group of settings of which none is set.
    pub fn is_empty_map(&self) -> bool {
        matches!(self.text.as_str(), "" | "{}") && fate::is_above_known(&self.name)
    }

    /// The name and the value of a response header, if this is one.
    fn header(&self) -> Option<(&str, &str)> {
        let name = self.name.strip_prefix(fate::HEADERS)?.strip_prefix('_')?;
        let is_index = |tail: &str| tail.bytes().all(|byte| byte.is_ascii_digit());
        let name = match name.rsplit_once('_') {
            Some((name, tail)) if is_index(tail) => name,
            _ => name,
        };
        Some((name, &self.text))
    }
}

/// Collects what becomes of each value.
#[derive(Debug, Default)]
struct Translation {
    translated: Translated,
    headers: Vec<String>,
    header_variables: Vec<String>,
    origins_allowed: Vec<String>,
    refused: BTreeMap<(&'static str, &'static str), Vec<String>>,
}

impl Translation {
    fn take(&mut self, variable: &str, value: &Value) {
        if value.is_empty_map() {
            return;
        }
        let Some(fate) = fate::of(&value.name) else { return self.unknown(variable) };
        match *fate {
            Fate::Taken(setting) => self.write(setting, variable, value.text.clone()),
            Fate::Reversed(setting) => {
                let reversed = match crate::config::value::switch(&value.text) {
                    Some(on) => (!on).to_string(),
                    None => value.text.clone(),
                };
                self.write(setting, variable, reversed);
            }
            Fate::Smallest(setting) => self.write_smallest(setting, variable, &value.text),
            Fate::Header => self.header(variable, value),
            Fate::LeftOut(why) => {
                if !self.translated.left_out.iter().any(|(name, _)| name == variable) {
                    self.translated.left_out.push((variable.to_owned(), why));
                }
            }
            Fate::Elsewhere(_) => {}
            Fate::OnlyAs(harmless, ..) if value.text.eq_ignore_ascii_case(harmless) => {}
            Fate::OnlyAs(_, why, instead) | Fate::Refused(why, instead) => {
                let variables = self.refused.entry((why, instead)).or_default();
                if !variables.iter().any(|name| name == variable) {
                    variables.push(variable.to_owned());
                }
            }
        }
    }

    fn write(&mut self, setting: &str, variable: &str, text: String) {
        if let Some(setting) = table::find(setting) {
            let origin = Origin::Variable(variable.to_owned());
            let texts = setting.split(&text);
            self.translated.written.push(Written { setting, texts, origin });
        }
    }

    /// One setting of ours stands for several limits of registry:2: the lowest holds.
    fn write_smallest(&mut self, setting: &str, variable: &str, text: &str) {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let earlier =
            self.translated.written.iter().rfind(|earlier| earlier.setting.name == setting);
        let earlier = earlier.and_then(|earlier| number(earlier.texts.first()?));
        if earlier.zip(number(text)).is_none_or(|(earlier, now)| now < earlier) {
            self.write(setting, variable, text.to_owned());
        }
    }

    fn header(&mut self, variable: &str, value: &Value) {
        let Some((name, text)) = value.header() else { return };
        if text == "[]" {
            return;
        }
        self.headers.push(format!("{name}: {text}"));
        if !self.header_variables.iter().any(|earlier| earlier == variable) {
            self.header_variables.push(variable.to_owned());
        }
        // Whoever lets a page read the registry's answers lets it call the registry. `*` names no
        // page, so it does not open the store to all of them.
        if name.eq_ignore_ascii_case("access-control-allow-origin") && text.contains("://") {
            self.origins_allowed.push(text.to_owned());
        }
    }

    fn unknown(&mut self, variable: &str) {
        if !self.translated.unknown.iter().any(|(name, _)| name == variable) {
            let names = KNOWN.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('*'));
            let nearest = table::nearest(variable, names.map(|name| format!("{PREFIX}{name}")));
            self.translated.unknown.push((variable.to_owned(), nearest));
        }
    }

    fn finish(mut self) -> Result<Translated, Error> {
        if !self.refused.is_empty() {
            let refusals = self.refused.into_iter();
            let refusals =
                refusals.map(|((why, instead), variables)| Refusal { variables, why, instead });
            return Err(Error::Refused { refusals: refusals.collect() });
        }
        let origin = Origin::Variable(self.header_variables.join(", "));
        for (setting, texts) in [("header", self.headers), ("allowed-origin", self.origins_allowed)]
        {
            if let Some(setting) = table::find(setting).filter(|_| !texts.is_empty()) {
                self.translated.written.push(Written { setting, texts, origin: origin.clone() });
            }
        }
        Ok(self.translated)
    }
}

/// Whether a variable (less its first word) is one that Kubernetes injects for a service called
/// `registry`, `registry-…`, `wharf-serve` and the like, rather than a setting.
pub fn is_injected(name: &str, text: &str) -> bool {
    let ends = |tail: &str| name == tail || name.ends_with(&format!("_{tail}"));
    let words: Vec<&str> = name.split('_').collect();
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    let is_port = words.windows(3).any(|three| {
        three[0] == "PORT"
            && three[1].bytes().all(|byte| byte.is_ascii_digit())
            && matches!(three[2], "TCP" | "UDP" | "SCTP")
    });
    let is_service_port = words.windows(2).any(|two| two == ["SERVICE", "PORT"]);
    ends("SERVICE_HOST") || is_service_port || is_port || (ends("PORT") && is_address)
}

#[cfg(test)]
mod tests;
