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
    for made in site.receipt.made() {
        let Made::NodeFile { node, container, path: at, after, .. } = &made else { continue };
        if at != path {
            continue;
        }
        let found = super::find(site, node)?.filter(|found| found.container.id == *container);
        let Some(found) = found else {
            site.strike(&made)?;
            continue;
        };
        if !found.container.is_running {
            site.hand().say(format_args!("{node} stands still: {path} in it stays changed."));
            continue;
        }
        if site.engine.look(node, &["sh", "-c", READ, "sh", path])? != *after {
            site.hand()
                .say(format_args!("On {node}, {path} has been changed since: it stays as it is."));
            site.strike(&made)?;
            continue;
        }
        revert(site, &found, path)?;
        then(&found)?;
    }
    Ok(())
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

fn put(site: &Site, node: &Node, path: &str, text: &str) -> Result<(), SetupError> {
    const WRITE: &str = r#"mkdir -p "${1%/*}"
cat >"$1.new"
chmod 644 "$1.new"
mv -T "$1.new" "$1""#;
    let words = ["sh", "-ec", WRITE, "sh", path];
    Ok(site.engine.exec(node.name(), &words, text.as_bytes())?)
}
