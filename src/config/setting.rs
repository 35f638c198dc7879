//! What a setting is: a name, a help line, and the place in [`Serve`] that it fills, with the form
//! that a person writes it in.
//!
//! The one description of a setting is its line in [`crate::config::table`]; flags, keys of the
//! file, variables and the document are derived from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::config::value::{self, FILE_FORM, FOLDER_FORM, SIZE_FORM, SWITCH_FORM, TIME_FORM};
use crate::config::{Machine, Serve, address};
use crate::log;

/// What the names of wharf's own variables begin with.
pub const PREFIX: &str = "WHARF_SERVE_";

/// One setting of `wharf serve`.
#[derive(Debug)]
pub struct Setting {
    /// The flag without its dashes, which is also the key in the file.
    pub name: &'static str,
    /// The section of the help and of the document that it stands in.
    pub group: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// The default in words, where it is not the same on every machine.
    pub default: Option<&'static str>,
    /// The place it fills, and its form.
    pub field: Field,
}

/// The place in [`Serve`] that a setting fills. Each form is read and written in its own way.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    /// On or off.
    Switch(fn(&mut Serve) -> &mut bool),
    /// A size in bytes.
    Size(fn(&mut Serve) -> &mut u64),
    /// A size in bytes of something held in memory, with the least it may be.
    Memory(fn(&mut Serve) -> &mut usize, usize),
    /// A size in bytes, or `none`.
    SizeOrNone(fn(&mut Serve) -> &mut Option<u64>),
    /// A number of at least one.
    Count(fn(&mut Serve) -> &mut usize),
    /// A length of time that is not zero.
    Time(fn(&mut Serve) -> &mut Duration),
    /// A length of time, or zero.
    TimeOrZero(fn(&mut Serve) -> &mut Duration),
    /// A folder.
    Folder(fn(&mut Serve) -> &mut PathBuf),
    /// A folder, or `none`.
    FolderOrNone(fn(&mut Serve) -> &mut Option<PathBuf>),
    /// A file, or `none`.
    FileOrNone(fn(&mut Serve) -> &mut Option<PathBuf>),
    /// Addresses to listen on.
    Addresses(fn(&mut Serve) -> &mut Vec<SocketAddr>),
    /// An address to listen on, or `none`.
    AddressOrNone(fn(&mut Serve) -> &mut Option<SocketAddr>),
    /// The beginning of a URL, or `none`.
    UrlOrNone(fn(&mut Serve) -> &mut Option<String>),
    /// Origins of web pages.
    Origins(fn(&mut Serve) -> &mut Vec<String>),
    /// Host names.
    Names(fn(&mut Serve) -> &mut Vec<String>),
    /// HTTP headers.
    Headers(fn(&mut Serve) -> &mut Vec<(HeaderName, HeaderValue)>),
    /// How much is logged.
    Level(fn(&mut Serve) -> &mut log::Level),
    /// In which form it is logged.
    Format(fn(&mut Serve) -> &mut log::Format),
}

/// A text that a setting cannot take: which one, and what it may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The text as it was written.
    pub found: String,
    /// What may stand there, to be read after "it must be".
    pub expected: String,
}

impl Setting {
    /// The variable that sets it: `WHARF_SERVE_MANIFEST_SIZE_MAX`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// What stands for the value in the help.
    pub const fn value_name(&self) -> &'static str {
        match self.field {
            Field::Switch(_) => "true|false",
            Field::Size(_) | Field::Memory(..) | Field::SizeOrNone(_) => "SIZE",
            Field::Count(_) => "NUMBER",
            Field::Time(_) | Field::TimeOrZero(_) => "TIME",
            Field::Folder(_) | Field::FolderOrNone(_) => "FOLDER",
            Field::FileOrNone(_) => "FILE",
            Field::Addresses(_) | Field::AddressOrNone(_) => "ADDRESS",
            Field::UrlOrNone(_) => "URL",
            Field::Origins(_) => "ORIGIN",
            Field::Names(_) => "NAME",
            Field::Headers(_) => "HEADER",
            Field::Level(_) => "LEVEL",
            Field::Format(_) => "FORMAT",
        }
    }

    /// Whether it takes several values: a flag is then repeated, a key has a list, and a variable
    /// separates them with [`Setting::separator`].
    pub const fn is_list(&self) -> bool {
        let field = &self.field;
        matches!(
            field,
            Field::Addresses(_) | Field::Origins(_) | Field::Names(_) | Field::Headers(_)
        )
    }

    /// What separates the values of a list in a variable. Headers contain commas, so they stand on
    /// lines.
    pub const fn separator(&self) -> char {
        if matches!(self.field, Field::Headers(_)) { '\n' } else { ',' }
    }

    /// The values that stand in one text: several for a list, else the text itself.
    pub fn split(&self, text: &str) -> Vec<String> {
        if !self.is_list() {
            return vec![text.to_owned()];
        }
        let parts = text.split(self.separator()).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Fills the setting's place with what was written. A list replaces the list before it.
    pub fn fill(
        &self,
        serve: &mut Serve,
        texts: &[String],
        machine: &Machine,
    ) -> Result<(), Wrong> {
        let text = texts.last().map_or("", String::as_str).trim();
        let wrong =
            |expected: &str| Wrong { found: text.to_owned(), expected: expected.to_owned() };
        match self.field {
            Field::Switch(place) => {
                *place(serve) = value::switch(text).ok_or_else(|| wrong(SWITCH_FORM))?;
            }
            Field::Size(place) => {
                *place(serve) = value::size(text).ok_or_else(|| wrong(SIZE_FORM))?;
            }
            Field::Memory(place, least) => {
                let size = value::size(text).and_then(|size| usize::try_from(size).ok());
                let size = size.filter(|size| *size >= least);
                *place(serve) = size.ok_or_else(|| {
                    let least = value::size_text(least as u64);
                    wrong(&format!("{SIZE_FORM}, and at least {least}"))
                })?;
            }
            Field::SizeOrNone(place) => {
                let size = or_none(text, value::size);
                *place(serve) = size.ok_or_else(|| wrong(&format!("{SIZE_FORM}, or none")))?;
            }
            Field::Count(place) => {
                let count = text.parse().ok().filter(|count| *count > 0);
                *place(serve) = count.ok_or_else(|| wrong("a whole number, at least 1"))?;
            }
            Field::Time(place) => {
                let time = value::time(text).filter(|time| !time.is_zero());
                *place(serve) = time.ok_or_else(|| wrong(&format!("{TIME_FORM}, and not zero")))?;
            }
            Field::TimeOrZero(place) => {
                *place(serve) = value::time(text).ok_or_else(|| wrong(TIME_FORM))?;
            }
            Field::Folder(place) => {
                *place(serve) = path(text).ok_or_else(|| wrong(FOLDER_FORM))?;
            }
            Field::FolderOrNone(place) => {
                let folder = or_none(text, path);
                *place(serve) = folder.ok_or_else(|| wrong(&format!("{FOLDER_FORM}, or none")))?;
            }
            Field::FileOrNone(place) => {
                let file = or_none(text, path);
                *place(serve) = file.ok_or_else(|| wrong(&format!("{FILE_FORM}, or none")))?;
            }
            Field::Addresses(place) => {
                let found = each(texts, address::FORM, |text| address::addresses(text, machine))?;
                *place(serve) = without_repeats(found.into_iter().flatten());
            }
            Field::AddressOrNone(place) => {
                let first = |text: &str| address::addresses(text, machine)?.first().copied();
                let found = or_none(text, first);
                *place(serve) =
                    found.ok_or_else(|| wrong(&format!("{}, or none", address::FORM)))?;
            }
            Field::UrlOrNone(place) => {
                let url = or_none(text, url);
                *place(serve) = url.ok_or_else(|| {
                    wrong("a URL without a query, such as https://registry.example, or none")
                })?;
            }
            Field::Origins(place) => {
                let form = "an origin, such as http://localhost:8080 or https://ui.example";
                *place(serve) = without_repeats(each(texts, form, origin)?);
            }
            Field::Names(place) => {
                *place(serve) = without_repeats(each(texts, "a host name without a port", host)?);
            }
            Field::Headers(place) => {
                let form = "a header, such as \"X-Content-Type-Options: nosniff\"";
                *place(serve) = each(texts, form, header)?;
            }
            Field::Level(place) => {
                *place(serve) = text.parse().map_err(|()| wrong(log::Level::FORM))?;
            }
            Field::Format(place) => {
                *place(serve) = text.parse().map_err(|()| wrong(log::Format::FORM))?;
            }
        }
        Ok(())
    }

    /// The default, as a person would write it.
    pub fn default_text(&self) -> String {
        let shown = || self.show(&mut Serve::new(&Machine::default()));
        self.default.map_or_else(shown, str::to_owned)
    }

    /// What stands in the setting's place, as a person would write it.
    pub fn show(&self, serve: &mut Serve) -> String {
        fn none<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        }
        match self.field {
            Field::Switch(place) => place(serve).to_string(),
            Field::Size(place) => value::size_text(*place(serve)),
            Field::Memory(place, _) => value::size_text(*place(serve) as u64),
            Field::SizeOrNone(place) => none(place(serve).map(value::size_text)),
            Field::Count(place) => place(serve).to_string(),
            Field::Time(place) | Field::TimeOrZero(place) => value::time_text(*place(serve)),
            Field::Folder(place) => place(serve).display().to_string(),
            Field::FolderOrNone(place) | Field::FileOrNone(place) => {
                none(place(serve).as_ref().map(|path| path.display()))
            }
            Field::Addresses(place) => joined(place(serve), SocketAddr::to_string),
            Field::AddressOrNone(place) => none(*place(serve)),
            Field::UrlOrNone(place) => none(place(serve).as_ref()),
            Field::Origins(place) | Field::Names(place) => joined(place(serve), Clone::clone),
            Field::Headers(place) => joined(place(serve), |(name, value)| {
                format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
            }),
            Field::Level(place) => place(serve).to_string(),
            Field::Format(place) => place(serve).to_string(),
        }
    }
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Reads every text of a list. `none` alone makes an empty list.
fn each<T>(
    texts: &[String],
    form: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Wrong> {
    let is_none = matches!(texts, [text] if text == "none");
    let texts = if is_none { &[] } else { texts };
    let wrong = |text: &str| Wrong { found: text.to_owned(), expected: form.to_owned() };
    texts.iter().map(|text| read(text).ok_or_else(|| wrong(text))).collect()
}

fn or_none<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "none" { Some(None) } else { read(text).map(Some) }
}

fn without_repeats<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// A path; a shell that was asked to spell `~` out has done so.
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.starts_with('~')).then(|| PathBuf::from(text))
}

/// The scheme and the host of a URL with nothing but a path behind them.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_clean =
        rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\"\\<>".contains(&byte));
    (matches!(scheme, "http" | "https") && !host.is_empty() && is_clean)
        .then_some((scheme, host, path))
}

fn url(text: &str) -> Option<String> {
    let (scheme, host, path) = parts(text)?;
    Some(format!("{scheme}://{host}{}", path.trim_end_matches('/')))
}

fn origin(text: &str) -> Option<String> {
    let (scheme, host, path) = parts(text)?;
    matches!(path, "" | "/").then(|| format!("{scheme}://{}", host.to_ascii_lowercase()))
}

fn host(text: &str) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (!text.is_empty() && text.bytes().all(is_name)).then(|| text.to_ascii_lowercase())
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    /// Fills one setting and shows what came of it, or what it may be.
    fn tried(name: &str, text: &str) -> Result<String, String> {
        let setting = table::find(name).unwrap();
        let machine = Machine { ipv6: true, ..Machine::default() };
        let mut serve = Serve::new(&machine);
        let filled = setting.fill(&mut serve, &setting.split(text), &machine);
        filled.map_err(|wrong| format!("{} must be {}", wrong.found, wrong.expected))?;
        Ok(setting.show(&mut serve))
    }

    #[test]
    fn each_form_takes_what_a_person_writes() {
        for (name, text, shown) in [
            ("read-only", "yes", "true"),
            ("manifest-size-max", "4m", "4MiB"),
            ("header-size-max", "8KiB", "8KiB"),
            ("blob-size-max", "none", "none"),
            ("blob-size-max", "2G", "2GiB"),
            ("connections-max", "7", "7"),
            ("upload-idle-max", "168h", "168h"),
            ("drain-time-max", "0", "0s"),
            ("root", " /data ", "/data"),
            ("containers-storage", "/storage", "/storage"),
            ("ingest-secret", "none", "none"),
            ("listen", ":1,127.0.0.1:2, :1", "[::]:1, 127.0.0.1:2"),
            ("admin-listen", "localhost:5001", "127.0.0.1:5001"),
            ("admin-listen", "none", "none"),
            ("public-url", "https://registry.example:5000/", "https://registry.example:5000"),
            ("allowed-origin", "http://UI:8080/", "http://ui:8080"),
            ("name", "kind-registry,Registry.local", "kind-registry, registry.local"),
            ("name", "none", "none"),
            ("header", "X-A: b, c\nX-D: e:f", "x-a: b, c, x-d: e:f"),
            ("log-level", "WARNING", "warn"),
            ("log-format", "json", "json"),
        ] {
            assert_eq!(tried(name, text).as_deref(), Ok(shown), "{name} {text}");
        }
    }

    #[test]
    fn each_form_says_what_it_may_be() {
        for (name, text, told) in [
            ("read-only", "maybe", "maybe must be true or false"),
            (
                "manifest-size-max",
                "8 apples",
                "8 apples must be a size such as 8MiB, 512k or 1048576",
            ),
            (
                "header-size-max",
                "4KiB",
                "4KiB must be a size such as 8MiB, 512k or 1048576, and at least 8KiB",
            ),
            ("blob-size-max", "all", "all must be a size such as 8MiB, 512k or 1048576, or none"),
            ("connections-max", "0", "0 must be a whole number, at least 1"),
            ("upload-idle-max", "30", "30 must be a time such as 30s, 1h30m or 7d, and not zero"),
            ("upload-idle-max", "0s", "0s must be a time such as 30s, 1h30m or 7d, and not zero"),
            ("drain-time-max", "soon", "soon must be a time such as 30s, 1h30m or 7d"),
            ("root", "~/data", "~/data must be a folder, written in full (no ~)"),
            ("ingest-secret", "~/s", "~/s must be a file, written in full (no ~), or none"),
            (
                "listen",
                ":1,5000",
                "5000 must be an address with a port, such as 127.0.0.1:5000, [::1]:5000 or :5000",
            ),
            (
                "public-url",
                "registry.example:5000",
                "registry.example:5000 must be a URL without a query, such as \
              https://registry.example, or none",
            ),
            (
                "allowed-origin",
                "*",
                "* must be an origin, such as http://localhost:8080 or https://ui.example",
            ),
            ("name", "a:5000", "a:5000 must be a host name without a port"),
            ("header", "X-A", "X-A must be a header, such as \"X-Content-Type-Options: nosniff\""),
            ("log-level", "loud", "loud must be error, warn, info, debug or trace"),
            ("log-format", "xml", "xml must be text or json"),
        ] {
            assert_eq!(tried(name, text), Err(told.to_owned()), "{name} {text}");
        }
    }
}
