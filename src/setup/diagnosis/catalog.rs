//! Whether the registry can list what it holds, and whether the nodes can run it.

use std::collections::BTreeSet;

use wharf_client::Error;
use wharf_oci::Reference;

use super::holdings::Holdings;
use super::question::mismatch;
use crate::failure::told;
use crate::setup::{Finding, SetupError, Site, Step, node};

/// The catalogue as a check.
#[derive(Debug)]
pub struct Catalog;

/// How many images are looked into.
const LOOKS_MAX: usize = 50;

impl Step for Catalog {
    fn name(&self) -> &'static str {
        "catalog"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let about = site.config.host_name();
        let holdings = Holdings::on(site.config.port).map_err(SetupError::Asking)?;
        let names = match holdings.repositories() {
            Ok(names) => names,
            Err(Error::Unreachable { .. } | Error::Interrupted { .. }) => {
                let words = "not looked at, as the registry does not answer on this machine";
                return Ok(vec![Finding::note(about, words)]);
            }
            Err(error) => {
                let words = format!("the registry cannot list its images: {}", told(&error));
                let (engine, registry) = (site.engine.kind().program(), &site.config.registry);
                let fix = format!("see its log: `{engine} logs {registry}`");
                return Ok(vec![Finding::fault(about, words).left_to_you(fix)]);
            }
        };
        let words = match names.len() {
            1 => "1 repository".to_owned(),
            count => format!("{count} repositories"),
        };
        let mut found = vec![Finding::ok(about, words)];
        let is_there = !node::running(site)?.is_empty();
        let nodes = if is_there { site.engine.info()?.architecture } else { String::new() };
        let tagged = names.iter().flat_map(|name| {
            let tags = holdings.tags(name).unwrap_or_default();
            tags.into_iter().map(move |tag| (name, tag))
        });
        let mut others = BTreeSet::new();
        for (name, tag) in tagged.take(if is_there { LOOKS_MAX } else { 0 }) {
            // One that goes meanwhile is no matter.
            let Ok(Some(held)) = holdings.image(name, &Reference::Tag(tag.clone())) else {
                continue;
            };
            let text = format!("{}/{name}:{tag}", site.config.pod_name());
            if let Some(words) = mismatch(&text, &held, &nodes) {
                others.insert((text, words));
            }
        }
        found.extend(others.into_iter().map(|(text, words)| Finding::note(text, words)));
        Ok(found)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // images are the user's
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::setup::site::tests::site;

    /// A registry that answers one question, and its port.
    fn answering(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    fn found(port: u16) -> Vec<Finding> {
        let (mut site, _) = site([("podman ps", Ok(Vec::new()))]);
        site.config.port = port;
        Catalog.check(&site).unwrap()
    }

    #[test]
    fn a_registry_that_cannot_list_is_told() {
        let found = found(answering(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ));
        assert!(found[0].is_fault() && found[0].words.contains("500"), "{found:?}");
        assert!(found[0].fix.as_ref().unwrap().contains("podman logs kind-registry"));
    }

    #[test]
    fn what_it_lists_is_counted() {
        let list = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\
            Connection: close\r\n\r\n{\"repositories\":[\"one\",\"two\"]}";
        assert_eq!(found(answering(list))[0].words, "2 repositories");
    }

    #[test]
    fn a_registry_that_is_away_is_another_checks_matter() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(!found(port)[0].is_fault());
    }
}
