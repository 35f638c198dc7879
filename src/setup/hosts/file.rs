//! The text of a hosts.toml, and what one that is there does. Pure: no node is asked.
//!
//! Both a `server` line and a `[host]` table, always: before containerd 2.0 the line alone is no valid
//! file, and with the table alone a missing tag shows as an error of TLS.

use toml::{Table, Value};

/// What a registry is used for.
const CAPABILITIES: [&str; 3] = ["pull", "resolve", "push"];
/// What containerd knows besides since 2.2; with an older one the whole file is void.
const NEW_CAPABILITY: &str = "referrers";
/// Settings of TLS, with any of which containerd asks a plain registry by TLS first.
const TLS: [&str; 3] = ["skip_verify", "ca", "client"];

/// The file that leads to a registry, as `http://kind-registry:5000`.
pub fn text(server: &str) -> String {
    format!(
        "server = \"{server}\"\n\n[host.\"{server}\"]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n"
    )
}

/// What a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It leads to the registry, whatever its letters.
    Right,
    /// Pulls do not work with it, or only some. Why, in words that follow "hosts.toml".
    Broken(String),
    /// It leads somewhere else, as someone may have wanted. Where.
    Elsewhere(String),
}

use Verdict::{Broken, Elsewhere, Right};

/// Judges a file that is to lead to `server`, for a containerd that knows `referrers` or does not.
pub fn judge(text: &str, server: &str, knows_referrers: bool) -> Verdict {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return Broken(unreadable(&error)),
    };
    let stated = table.get("server").and_then(Value::as_str);
    let Some(hosts) = table.get("host").and_then(Value::as_table).filter(|it| !it.is_empty())
    else {
        return match stated {
            None => Broken("names no server".into()),
            Some(stated) if !is_same(stated, server) => lead_away(stated, server),
            Some(_) => Broken(
                "has a server line and no [host] table, which containerd before 2.0 cannot read"
                    .into(),
            ),
        };
    };
    if let Some(other) = hosts.keys().map(String::as_str).find(|host| !is_same(host, server)) {
        return lead_away(other, server);
    }
    match stated {
        None => {
            return Broken(
                "has no server line, so that a tag that is not there shows as an error of TLS"
                    .into(),
            );
        }
        Some(stated) if !is_same(stated, server) => return lead_away(stated, server),
        Some(_) => {}
    }
    let settings = hosts.values().filter_map(Value::as_table).chain([&table]);
    match settings.filter_map(|it| fault_of(it, server, knows_referrers)).next() {
        Some(words) => Broken(words),
        None => Right,
    }
}

/// Where a file leads that does not lead to `server`.
fn lead_away(stated: &str, server: &str) -> Verdict {
    let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_owned());
    match host(trimmed(stated)) {
        Some(it) if Some(&it) == host(server).as_ref() => {
            Broken(format!("says {stated}, and the registry speaks {}", scheme(server)))
        }
        None => Broken(format!("names {stated:?}, which is no URL")),
        Some(_) => Elsewhere(stated.to_owned()),
    }
}

/// What is wrong with the settings of a server.
fn fault_of(settings: &Table, server: &str, knows_referrers: bool) -> Option<String> {
    if scheme(server) == "http"
        && let Some(key) = TLS.iter().find(|key| settings.contains_key(**key))
    {
        return Some(format!(
            "has {key}, with which containerd asks by TLS, and the registry speaks http"
        ));
    }
    if settings.get("override_path").and_then(Value::as_bool) == Some(true) {
        return Some("has override_path, with which the registry is asked at wrong paths".into());
    }
    let capabilities = settings.get("capabilities")?;
    let Some(capabilities) = capabilities.as_array() else {
        return Some("has capabilities that are no list".into());
    };
    let stated: Vec<_> = capabilities.iter().map(|it| it.as_str().unwrap_or_default()).collect();
    let is_known =
        |it: &&&str| CAPABILITIES.contains(it) || (knows_referrers && **it == NEW_CAPABILITY);
    if let Some(unknown) = stated.iter().find(|it| !is_known(it)) {
        return Some(format!(
            "has the capability {unknown:?}, which this containerd does not know, so that it reads \
             nothing of the file"
        ));
    }
    let missing = CAPABILITIES[..2].iter().find(|it| !stated.contains(it));
    missing.map(|it| format!("lacks the capability {it:?}, without which nothing is pulled"))
}

/// Whether two URLs are one for containerd, which adds `/v2` where it is missing.
fn is_same(one: &str, other: &str) -> bool {
    trimmed(one) == trimmed(other)
}

fn trimmed(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/v2").unwrap_or(url)
}

fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// What makes a text no TOML, in a line.
fn unreadable(error: &toml::de::Error) -> String {
    format!("is no TOML: {}", error.message().lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "http://kind-registry:5000";

    fn judged(text: &str) -> Verdict {
        judge(text, SERVER, false)
    }

    fn broken(text: &str) -> String {
        match judged(text) {
            Broken(words) => words,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_text_is_the_documents() {
        assert_eq!(
            text(SERVER),
            r#"server = "http://kind-registry:5000"

[host."http://kind-registry:5000"]
  capabilities = ["pull", "resolve", "push"]
"#
        );
        assert_eq!(judged(&text(SERVER)), Right);
    }

    #[test]
    fn other_letters_are_right_too() {
        for text in [
            "server='http://kind-registry:5000/'\n[host.'http://kind-registry:5000']\n",
            "# by hand\nserver = \"http://kind-registry:5000\"\n\
             [host.\"http://kind-registry:5000/v2/\"]\ncapabilities = [\"resolve\", \"pull\"]\n\
             dial_timeout = \"2s\"\n",
        ] {
            assert_eq!(judged(text), Right, "{text}");
        }
    }

    #[test]
    fn each_fault_has_words_of_its_own() {
        let with = |line: &str| format!("{}  {line}\n", text(SERVER));
        for (text, words) in [
            ("garbled [", "is no TOML: "),
            ("", "names no server"),
            ("server = \"http://kind-registry:5000\"\n", "no [host] table"),
            ("[host.\"http://kind-registry:5000\"]\n", "has no server line"),
            (&text("https://kind-registry:5000"), "the registry speaks http"),
            (&text("kind-registry:5000"), "is no URL"),
            (&text(SERVER).replace("push", "referrers"), "\"referrers\", which this containerd"),
            (&text(SERVER).replace("\"pull\", ", ""), "lacks the capability \"pull\""),
            (&with("skip_verify = true"), "has skip_verify"),
            (&with("ca = \"ca.crt\""), "has ca,"),
            (&with("override_path = true"), "override_path"),
            (&format!("skip_verify = true\n{}", self::text(SERVER)), "has skip_verify"),
        ] {
            let said = broken(text);
            assert!(said.contains(words), "{text}\n{said}");
        }
    }

    #[test]
    fn a_capability_is_unknown_to_some() {
        let file = text(SERVER).replace("\"push\"", "\"push\", \"referrers\"");
        assert_eq!(judge(&file, SERVER, true), Right);
        assert!(matches!(judge(&file, SERVER, false), Broken(_)));
    }

    #[test]
    fn what_someone_wanted_is_told_from_what_is_broken() {
        for file in [
            text("http://mirror:5000"),
            "server = \"http://mirror:5000\"\n".into(),
            text(SERVER).replace("[host.\"http://kind", "[host.\"http://mirror"),
            format!("{}[host.\"http://mirror:5000\"]\n", text(SERVER)),
        ] {
            assert!(matches!(judged(&file), Elsewhere(it) if it.starts_with("http://mirror")));
        }
    }
}
