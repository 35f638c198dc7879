//! Whether `localhost` means the registry whichever way a program reads it: many try `::1` first, and
//! another program may have the port there, as `AirPlay` of a Mac has.

use std::net::{Ipv6Addr, SocketAddr};

use super::greeting::{self, Greeting};
use crate::setup::{Finding, SetupError, Site, Step};

/// The two addresses as a check.
#[derive(Debug)]
pub struct Localhost;

impl Step for Localhost {
    fn name(&self) -> &'static str {
        "localhost"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let port = site.config.port;
        let greeting = greeting::of(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        Ok(vec![judge(port, &greeting)])
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // another program has the port
    }
}

fn judge(port: u16, greeting: &Greeting) -> Finding {
    let about = format!("localhost:{port}");
    let other = match greeting {
        Greeting::Nobody => {
            return Finding::ok(about, "only 127.0.0.1 has it, so every program finds the same");
        }
        Greeting::Registry => return Finding::ok(about, "leads to a registry by IPv6, too"),
        Greeting::AirPlay => "macOS's AirPlay Receiver".to_owned(),
        Greeting::Other(server) => format!("another program ({server})"),
        Greeting::Silence => "a program that says nothing".to_owned(),
    };
    let fix = match greeting {
        Greeting::AirPlay => "turn it off in System Settings, General, AirDrop & Handoff; or ",
        _ => "",
    };
    Finding::fault(
        about,
        format!("by IPv6, which many programs try first, {other} answers there ([::1]:{port})"),
    )
    .left_to_you(format!(
        "{fix}write 127.0.0.1:{port} when you push, or take another port: `wharf up --port {}`; pods \
         notice nothing",
        port.saturating_add(1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_else_answers_by_ipv6_is_named() {
        assert!(!judge(5000, &Greeting::Nobody).is_fault());
        assert!(!judge(5000, &Greeting::Registry).is_fault());
        let found = judge(5000, &Greeting::AirPlay);
        assert!(found.is_fault() && !found.mendable);
        assert!(found.words.contains("AirPlay Receiver answers there ([::1]:5000)"), "{found:?}");
        assert!(found.fix.unwrap().contains("`wharf up --port 5001`"));
        assert!(judge(5000, &Greeting::Other("nginx".into())).words.contains("(nginx)"));
    }
}
