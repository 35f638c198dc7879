//! Podman's virtual machine, where there is one: on macOS the engine, its files and its systemd are in
//! it. Asked by `podman machine` alone, which knows nothing of Docker's or of machines elsewhere.

use serde::{Deserialize, Deserializer};

use super::engine::{Engine, EngineError, Kind};
use crate::process::Program;

/// A virtual machine of Podman's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Whether it is the one that `podman machine start` means.
    pub is_default: bool,
    /// Whether it runs.
    pub is_running: bool,
    /// Its processors.
    pub cpus: u64,
    /// Its memory, in bytes.
    pub memory: u64,
    /// The most that its disk may hold, in bytes.
    pub disk_size: u64,
}

/// A way from this machine to an engine elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Connection {
    /// Its name: a machine's, with `-root` behind it where it leads to root's engine.
    #[serde(deserialize_with = "without_star")]
    pub name: String,
    /// Where it leads: `ssh://core@127.0.0.1:53412/run/user/501/podman/podman.sock`.
    #[serde(rename = "URI")]
    pub uri: String,
    /// Whether a plain `podman` uses it.
    #[serde(default, rename = "Default")]
    pub is_default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(deserialize_with = "without_star")]
    name: String,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    running: bool,
    #[serde(default, rename = "CPUs")]
    cpus: u64,
    #[serde(default)]
    memory: Amount,
    #[serde(default)]
    disk_size: Amount,
}

/// Bytes, which Podman writes as a text.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Amount {
    Text(String),
    Number(u64),
    #[default]
    Unknown,
}

impl Amount {
    fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.parse().unwrap_or(0),
            Self::Number(number) => *number,
            Self::Unknown => 0,
        }
    }
}

/// Podman before 4.0 marks what is the default with a star in its name.
fn without_star<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(name.trim_end_matches('*').to_owned())
}

/// Every machine of Podman's, by name; none where there are none, or where it is not Podman.
///
/// # Errors
/// Podman does not run, or knows no machines at all.
pub fn all(engine: &Engine) -> Result<Vec<Machine>, EngineError> {
    let listed: Vec<Listed> = asked(engine, ["machine", "list", "--format", "json"])?;
    let mut machines: Vec<_> = listed.into_iter().map(Machine::from).collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(machines)
}

/// Every connection, in Podman's order.
///
/// # Errors
/// Podman does not run.
pub fn connections(engine: &Engine) -> Result<Vec<Connection>, EngineError> {
    asked(engine, ["system", "connection", "list", "--format", "json"])
}

/// The machine in which the engine runs that a plain `podman` talks to: the one to which the default
/// connection leads. None where that is no machine of Podman's.
///
/// # Errors
/// Podman does not run.
pub fn of_engine(engine: &Engine) -> Result<Option<Machine>, EngineError> {
    let mut machines = all(engine)?;
    if machines.is_empty() {
        return Ok(None);
    }
    let used = connections(engine)?.into_iter().find(|connection| connection.is_default);
    let found = machines.iter().position(|machine| match &used {
        Some(connection) => connection.leads_to(machine),
        None => machine.is_default,
    });
    Ok(found.map(|index| machines.swap_remove(index)))
}

impl Connection {
    /// Whether it leads into a machine.
    pub fn leads_to(&self, machine: &Machine) -> bool {
        self.name.strip_suffix("-root").unwrap_or(&self.name) == machine.name
            || self.name == machine.name
    }

    /// Whether it leads to root's engine, which has other images and containers than a user's.
    pub fn is_rootful(&self) -> bool {
        self.uri.contains("://root@") || self.uri.ends_with(":///run/podman/podman.sock")
    }
}

impl Machine {
    /// A command line of a shell in the machine: as root's where `as_root`, else as its user's.
    pub fn shell(&self, line: &str, as_root: bool) -> Program {
        // ssh joins its words with blanks and hands them to a shell: the quoting has to survive that.
        let line = match as_root {
            true => format!("sudo sh -c {}", quoted(line)),
            false => line.to_owned(),
        };
        Program::new(Kind::Podman.program(), ["machine", "ssh", &self.name, &line])
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

impl From<Listed> for Machine {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            is_default: listed.default,
            is_running: listed.running,
            cpus: listed.cpus,
            memory: listed.memory.bytes(),
            disk_size: listed.disk_size.bytes(),
        }
    }
}

fn asked<T: serde::de::DeserializeOwned, const N: usize>(
    engine: &Engine,
    words: [&str; N],
) -> Result<Vec<T>, EngineError> {
    if engine.kind() != Kind::Podman {
        return Ok(Vec::new());
    }
    let program = engine.program(words);
    let answer = engine.hand().ask(&program)?;
    // Podman writes `null`, or nothing, for an empty list.
    if matches!(answer.trim_ascii(), b"" | b"null") {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&answer)
        .map_err(|source| EngineError::Answer { program: program.to_string(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::recorded::{Answer, Recorded};
    use crate::report::Report;
    use crate::setup::hand::{Hand, Manner};

    const LIST: &str = r#"[{"Name":"work","Default":false,"Created":"2026-05-04T09:12:44Z",
        "Running":false,"Starting":false,"LastUp":"0001-01-01T00:00:00Z","Stream":"","VMType":"applehv",
        "CPUs":2,"Memory":"2147483648","Swap":"0","DiskSize":"107374182400","Port":50111,
        "RemoteUsername":"core","IdentityPath":"/Users/ann/.local/share/containers/podman/machine/machine",
        "UserModeNetworking":true},
        {"Name":"podman-machine-default","Default":true,"Running":true,"CPUs":5,
        "Memory":"4294967296","DiskSize":"107374182400"}]"#;
    const CONNECTIONS: &str = r#"[
        {"Name":"podman-machine-default","URI":"ssh://core@127.0.0.1:53412/run/user/501/podman/podman.sock","Identity":"/x","IsMachine":true,"Default":false,"ReadWrite":true},
        {"Name":"podman-machine-default-root","URI":"ssh://root@127.0.0.1:53412/run/podman/podman.sock","Identity":"/x","IsMachine":true,"Default":true,"ReadWrite":true}]"#;

    fn engine(answers: [(&str, &str); 2]) -> Engine {
        let entries = answers.map(|(line, answer)| (line, Answer::Ok(answer.into())));
        let runner = Arc::new(Recorded::transcript(entries));
        Engine::new(Kind::Podman, Hand::new(runner, Manner::Quiet, Report::new(false)))
    }

    #[test]
    fn the_machine_is_the_one_of_the_default_connection() {
        let engine = engine([("podman machine list", LIST), ("podman system conn", CONNECTIONS)]);
        let machine = of_engine(&engine).unwrap().unwrap();
        assert_eq!(machine.name, "podman-machine-default");
        assert!(machine.is_running);
        assert_eq!(machine.memory, 4 << 30);
        let connections = connections(&engine).unwrap();
        let ways: Vec<_> = connections.iter().map(|it| (it.is_default, it.is_rootful())).collect();
        assert_eq!(ways, [(false, false), (true, true)]);
        assert_eq!(all(&engine).unwrap()[1].name, "work");
    }

    #[test]
    fn a_connection_elsewhere_leads_to_no_machine() {
        let elsewhere = r#"[{"Name":"server","URI":"ssh://ann@server:22/run/user/1000/podman/podman.sock","Default":true}]"#;
        let engine = engine([("podman machine list", LIST), ("podman system conn", elsewhere)]);
        assert_eq!(of_engine(&engine).unwrap(), None);
    }

    #[test]
    fn no_machine_is_an_empty_list_in_each_of_podmans_ways() {
        for nothing in ["[]", "null", "", "[]\n"] {
            let engine = engine([("podman machine list", nothing), ("podman system conn", "[]")]);
            assert_eq!(of_engine(&engine).unwrap(), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_line_survives_the_shell_of_ssh() {
        let engine = engine([("podman machine list", LIST), ("podman system conn", CONNECTIONS)]);
        let machine = of_engine(&engine).unwrap().unwrap();
        let line = machine.shell("cat > '/etc/a b'", true).arguments[3].clone();
        let words = shlex::split(line.to_str().unwrap()).unwrap();
        assert_eq!(words, ["sudo", "sh", "-c", "cat > '/etc/a b'"]);
        assert_eq!(machine.shell("echo a", false).arguments[3], "echo a");
    }
}
