//! The registry's port on this machine: whether it can be had, and if not, who has it.
//!
//! Asked before every start of a container: on Podman before 4.4 a start that fails for a taken port
//! takes away the forward of the container that has it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::probe::{Answer, ask};
use crate::holder;
use crate::setup::engine::EngineError;
use crate::setup::{SetupError, Site};

/// How many ports are looked at to find one that is free.
const OTHERS: u16 = 100;

/// Says that the port is free for the registry.
///
/// # Errors
/// It is taken: by whom, and which port to take instead.
pub fn assert_free(site: &Site) -> Result<(), SetupError> {
    let port = site.config.port;
    if is_free(port) {
        return Ok(());
    }
    let owner = owner(site, port)?.unwrap_or_else(|| "another program".into());
    let instead = port.saturating_add(1)..=port.saturating_add(OTHERS);
    let other = match instead.into_iter().find(|port| is_free(*port)) {
        Some(free) => format!(
            ", or take another port: `wharf up --port {free}`; pods go on using {}",
            site.config.pod_name()
        ),
        None => String::new(),
    };
    Err(SetupError::InTheWay {
        what: format!("the port {port} of this machine is taken by {owner}"),
        hint: format!("{}{other}", remedy(&owner)),
    })
}

/// Whether nothing has the port. One that may not be taken by this user may be by the engine.
fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address) {
        // On macOS one can listen on an address although somebody has that port of all addresses.
        Ok(_) if cfg!(target_os = "macos") => ask(port, None) == Answer::Nothing,
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
    }
}

/// Who has the port: a container of this engine, or another process.
fn owner(site: &Site, port: u16) -> Result<Option<String>, EngineError> {
    let running = site.engine.running()?;
    let mut owners =
        running.iter().filter(|it| it.ports.values().flatten().any(|on| on.port == port));
    if let Some(container) = owners.next() {
        return Ok(Some(format!("the container {} ({})", container.name, container.image)));
    }
    if let Answer::Other(server) = ask(port, None)
        && server.contains("AirTunes")
    {
        return Ok(Some(AIRPLAY.into()));
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(holder::of(address).or_else(|| listed(site, port)).map(explained))
}

/// The programs by which engines hold a port that a container of theirs has published.
const OF_ENGINES: [&str; 5] =
    ["conmon ", "rootlessport ", "slirp4netns ", "pasta", "docker-proxy "];

/// A process that stands for a container, told as that: it is none of this engine's, as seen by this user.
fn explained(process: String) -> String {
    if process.starts_with(GVPROXY) {
        return format!("{process}, {LEFTOVER}");
    }
    match OF_ENGINES.iter().any(|program| process.starts_with(program)) {
        true => format!("a container of another engine or another user: {process}"),
        false => process,
    }
}

/// What forwards the ports of Podman's virtual machine to this one, those of all containers in it.
const GVPROXY: &str = "gvproxy ";
/// It may keep the port of a container that is gone, which Podman then calls `proxy already running`.
const LEFTOVER: &str =
    "which forwards it to Podman's virtual machine for no container that this engine has";

const AIRPLAY: &str = "macOS's AirPlay Receiver";

fn remedy(owner: &str) -> &'static str {
    match owner {
        AIRPLAY => "turn it off in System Settings, General, AirDrop & Handoff",
        gvproxy if gvproxy.ends_with(LEFTOVER) => {
            "have it forget the port: `podman machine stop && podman machine start`"
        }
        _ => "stop that",
    }
}

/// The process that has the port, by `lsof`, which macOS has, and which is not asked elsewhere unless
/// `/proc` knows nothing.
fn listed(site: &Site, port: u16) -> Option<String> {
    let words = ["-nP", &format!("-iTCP:{port}"), "-sTCP:LISTEN", "-Fpc"];
    let answer = site.hand().ask_anew(&crate::process::Program::new("lsof", words)).ok()?;
    process(&String::from_utf8_lossy(&answer))
}

/// The process in the answer of `lsof -Fpc`: a line each for its number and its name.
fn process(answer: &str) -> Option<String> {
    let line = |of: char| answer.lines().find_map(|line| line.strip_prefix(of));
    let (number, name) = (line('p')?, line('c')?);
    // Its name for the program that is the AirPlay Receiver.
    let is_airplay = name.starts_with("ControlCe");
    Some(if is_airplay { AIRPLAY.into() } else { format!("{name} (process {number})") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsof_names_a_process() {
        let named = |answer| process(answer);
        assert_eq!(named("p612\ncControlCe\nf8\nf9\n").as_deref(), Some(AIRPLAY));
        assert_eq!(named("p42\ncnginx\nf8\n").as_deref(), Some("nginx (process 42)"));
        assert_eq!(named(""), None);
    }

    #[test]
    fn a_port_that_podmans_machine_forwards_still_is_told_as_that() {
        let owner = process("p77\ncgvproxy\nf9\n").map(explained).unwrap();
        assert!(owner.starts_with("gvproxy (process 77), which forwards it"), "{owner}");
        assert!(remedy(&owner).contains("`podman machine stop && podman machine start`"));
        let owner = explained("docker-proxy (process 78)".into());
        assert!(owner.starts_with("a container of another engine"), "{owner}");
        assert_eq!(remedy(&owner), "stop that");
    }
}
