//! Files on a node that the setup changes, and what they held before, so that `undo` can put it back
//! in the same container, and in no other that has come by that name.

use super::Node;
use crate::setup::receipt::Made;
use crate::setup::{SetupError, Site};

/// Writes a file on a node in one step; what it held is kept in the receipt first.
///
/// # Errors
/// The receipt or the file cannot be written.
pub fn write(
    site: &Site,
    node: &Node,
    path: &str,
    before: Option<&str>,
    after: &str,
) -> Result<(), SetupError> {
    let known = entry(site, node, path);
    // What was there before our first change, unless someone changed it since.
    let kept = match &known {
        Some(Made::NodeFile { container, before: first, after: ours, .. })
            if *container == node.container.id && Some(ours.as_str()) == before =>
        {
            first.clone()
        }
        _ => before.map(str::to_owned),
    };
    let made = Made::NodeFile {
        node: node.name().to_owned(),
        container: node.container.id.clone(),
        path: path.to_owned(),
        before: kept,
        after: after.to_owned(),
    };
    site.note(made.clone())?;
    if let Some(known) = known.filter(|known| *known != made) {
        site.strike(&known)?;
    }
    put(site, node, path, after)
}

/// What the receipt has of a file.
fn entry(site: &Site, node: &Node, path: &str) -> Option<Made> {
    let is_it = |made: &Made| matches!(made, Made::NodeFile { node: of, path: at, .. } if of == node.name() && at == path);
    site.receipt.made().into_iter().find(is_it)
}

/// Puts back what a file held, or removes it if it was not there, where the container is the same and
/// nobody has changed it since. Then `then` is done with the node.
///
/// # Errors
/// The file cannot be read or written, or what `then` ends with.
pub fn put_back(
    site: &Site,
    path: &str,
    then: impl Fn(&Node) -> Result<(), SetupError>,
) -> Result<(), SetupError> {
    let mut done = Ok(());
    for made in site.receipt.made() {
        let Made::NodeFile { node, path: at, .. } = &made else { continue };
        if at == path {
            let of_this = put_one_back(site, &made, &then);
            // A node that cannot be changed keeps its own file, and no other.
            done = done.and(of_this.map_err(|error| super::unchanged(site, node, error)));
        }
    }
    done
}

fn put_one_back(
    site: &Site,
    made: &Made,
    then: impl Fn(&Node) -> Result<(), SetupError>,
) -> Result<(), SetupError> {
    let Made::NodeFile { node, container, path, after, .. } = made else { return Ok(()) };
    let found = super::find(site, node)?.filter(|found| found.container.id == *container);
    let Some(found) = found else { return site.strike(made) };
    if !found.container.is_running {
        site.hand().say(format_args!("{node} stands still: {path} in it stays changed."));
        return Ok(());
    }
    if site.engine.look(node, &["sh", "-c", READ, "sh", path])? != *after {
        site.hand()
            .say(format_args!("On {node}, {path} has been changed since: it stays as it is."));
        return site.strike(made);
    }
    revert(site, &found, path)?;
    then(&found)
}

/// Makes a file on a node what it was before [`write()`].
///
/// # Errors
/// The file or the receipt cannot be written.
pub fn revert(site: &Site, node: &Node, path: &str) -> Result<(), SetupError> {
    let Some(made) = entry(site, node, path) else { return Ok(()) };
    match &made {
        Made::NodeFile { before: Some(before), .. } => put(site, node, path, before)?,
        _ => site.engine.exec(node.name(), &["rm", "-f", path], &[])?,
    }
    site.strike(&made)
}

/// Prints a file; nothing of one that is not there.
const READ: &str = r#"[ ! -e "$1" ] || cat "$1""#;

/// Writes what it reads, if that is as many bytes as it is told: of a run that is ended on the way less comes.
const WRITE: &str = r#"mkdir -p "${1%/*}"
cat >"$1.new"
[ "$(wc -c <"$1.new")" -ge "$2" ] || { rm "$1.new"; exit 1; }
chmod 644 "$1.new"
mv -T "$1.new" "$1""#;

fn put(site: &Site, node: &Node, path: &str, text: &str) -> Result<(), SetupError> {
    // What is shown for a shell may end in another number of line ends.
    let bytes = text.trim_end_matches('\n').len().to_string();
    let words = ["sh", "-ec", WRITE, "sh", path, &bytes];
    if !holds_login(text) {
        return Ok(site.engine.exec(node.name(), &words, text.as_bytes())?);
    }
    let program = site.engine.program([&["exec", "-i", node.name()][..], &words].concat());
    let shown = " # its text is not shown: there are logins in it";
    Ok(site.hand().stream(&program, shown, &mut |stdin| stdin.write_all(text.as_bytes()))?)
}

/// Whether containerd's configuration has a login of a registry in it.
fn holds_login(text: &str) -> bool {
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let mut names = keys.map(|key| key.rsplit('.').next().unwrap_or(key).trim_matches('"'));
    names.any(|name| ["auth", "password", "identitytoken"].contains(&name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    use super::*;
    use crate::process::recorded::Recorded;
    use crate::report::Report;
    use crate::setup::engine::{Engine, Kind};
    use crate::setup::hand::{Hand, Manner};
    use crate::setup::node::{self, Role};
    use crate::setup::site::tests::site;

    #[test]
    fn a_text_that_is_cut_short_is_not_put_in_the_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certs.d/config.toml");
        for (text, bytes, is_written) in
            [("before", "6", true), ("", "5", false), ("afte", "5", false)]
        {
            let mut shell = Command::new("sh");
            shell.args(["-ec", WRITE, "sh"]).arg(&file).arg(bytes).stdin(Stdio::piped());
            let mut shell = shell.spawn().unwrap();
            shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert_eq!(shell.wait().unwrap().success(), is_written, "{text}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "before");
            assert!(!file.with_extension("toml.new").exists(), "{text}");
        }
    }

    #[test]
    fn logins_of_registries_are_not_shown() {
        let (mut site, _) = site([]);
        let hand = Hand::new(Arc::new(Recorded::new([])), Manner::Dry, Report::new(false));
        site.engine = Engine::new(Kind::Podman, hand);
        let node = node::planned("dev", &[Role::ControlPlane]).remove(0);
        for (text, is_shown) in [
            ("version = 2\n[a]\nhush = 1\n", true),
            ("version = 2\n[a.auth]\n  password = \"hush\"\n", false),
            ("version = 2\na.\"x\".auth = { password = \"hush\" }\n", false),
        ] {
            put(&site, &node, "/etc/containerd/config.toml", text).unwrap();
            let shown = site.hand().shown.lock().unwrap().pop().unwrap();
            assert!(shown.contains("config.toml"), "{shown}");
            assert_eq!(shown.contains("hush"), is_shown, "{shown}");
        }
    }
}
