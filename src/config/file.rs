//! The settings file, `serve.toml`: one key per setting, named like its flag.
//!
//! Everything in it is optional, and nothing in it is passed over: an unknown key is refused with
//! the nearest that is known.

use std::fs;
use std::io;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::table::{self, SETTINGS};
use crate::config::variable::FILE;
use crate::config::{Error, Machine, Origin, Written};

/// Reads the file that the command line or `WHARF_SERVE_CONFIG` names, which must be there; else
/// `/etc/wharf/serve.toml`, if it is there.
pub fn read(named: Option<&Path>, machine: &Machine) -> Result<Vec<Written>, Error> {
    let named = named.or_else(|| machine.variable(FILE).map(Path::new));
    let path = named.unwrap_or(&machine.settings_file);
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound && named.is_none() => Ok(Vec::new()),
        Err(source) => Err(Error::ReadFile { path: path.to_owned(), source }),
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<Written>, Error> {
    let line_at = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|source| Error::Toml {
        path: path.to_owned(),
        line: source.span().map_or(1, |span| line_at(span.start)),
        reason: source.message().to_owned(),
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter().map(|(key, value)| entry(key, value, path, &line_at)).collect()
}

fn entry(
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    path: &Path,
    line_at: &impl Fn(usize) -> usize,
) -> Result<Written, Error> {
    let name = key.get_ref().as_ref();
    let origin = Origin::File { path: path.to_owned(), line: line_at(key.span().start) };
    let Some(setting) = table::find(name) else {
        let names = SETTINGS.iter().map(|setting| setting.name.to_owned());
        let nearest = table::nearest(name, names);
        return Err(Error::UnknownKey { key: name.to_owned(), origin, nearest });
    };
    let texts = match value.get_ref() {
        DeValue::Array(items) if setting.is_list() => {
            items.iter().map(|item| scalar(item.get_ref())).collect()
        }
        value => scalar(value).map(|text| vec![text]),
    };
    let wrong = |found: String, expected: &str| Error::Value {
        setting: setting.name,
        origin: origin.clone(),
        found,
        expected: expected.to_owned(),
    };
    let kind = value.get_ref().type_str();
    let one = if setting.is_list() { "a list of texts" } else { "one value" };
    let texts = texts.ok_or_else(|| wrong(format!("a TOML {kind}"), one))?;
    Ok(Written { setting, texts, origin })
}

/// The text of a single value, as a flag would have it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}
