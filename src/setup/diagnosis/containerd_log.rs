//! What containerd complained of since the files that lead it to the registry were written: a file that
//! it cannot read is passed over by it without any other sign.

use crate::setup::node::{self, Node};
use crate::setup::{Finding, SetupError, Site, Step};

/// The log of containerd as a check.
#[derive(Debug)]
pub struct ContainerdLog;

/// What is looked for, in the words of containerd's releases.
const COMPLAINTS: [&str; 3] =
    ["failed to decode hosts.toml", "unknown capability", "invalid `host` tree"];

/// Prints when the youngest hosts.toml was written, then the lines that may be complaints.
const SCRIPT: &str = r#"
newest=$(ls -t /etc/containerd/certs.d/*/hosts.toml 2>/dev/null | head -n 1)
if [ -n "$newest" ]; then date -u -r "$newest" +%Y-%m-%dT%H:%M:%S; else echo; fi
log=/var/log/containerd.log
if [ -f $log ]; then tail -n 2000 $log; else journalctl --unit containerd --lines 2000 --output cat 2>/dev/null; fi |
    grep -E 'hosts\.toml|host` tree|unknown capability' | tail -n 50
exit 0"#;

impl Step for ContainerdLog {
    fn name(&self) -> &'static str {
        "containerd-log"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let looked = node::look_into_each(site, |node| complaint(site, node))?;
        let complaints = looked
            .seen
            .iter()
            .filter_map(|(node, complaint)| Some(told(node.name(), complaint.as_ref()?)));
        let found: Vec<_> = complaints.chain(looked.faults).collect();
        Ok(match looked.seen.len() {
            _ if !found.is_empty() => found,
            0 => Vec::new(),
            _ => vec![Finding::ok("containerd", "complains of no hosts.toml")],
        })
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // the files of the registry are mended by their own step; others are the user's
    }
}

fn complaint(site: &Site, node: &Node) -> Result<Option<String>, SetupError> {
    let program = site.engine.program(["exec", node.name(), "sh", "-c", SCRIPT]);
    let printed = site.hand().ask_anew(&program)?;
    Ok(judge(&String::from_utf8_lossy(&printed)))
}

fn told(node: &str, complaint: &str) -> Finding {
    let words = format!("containerd passes a hosts.toml over: {complaint}");
    let fix = "look at the files below /etc/containerd/certs.d on that node";
    Finding { fix: Some(fix.into()), ..Finding::note(node, words) }
}

/// The last complaint that is younger than every file, without what stands around it.
fn judge(printed: &str) -> Option<String> {
    let (newest, log) = printed.split_once('\n')?;
    let is_complaint = |line: &&str| COMPLAINTS.iter().any(|it| line.contains(it));
    let is_young = |line: &&str| field(line, "time").is_none_or(|time| time.as_str() > newest);
    let line = log.lines().filter(is_complaint).rfind(is_young)?;
    let (words, error) = (field(line, "msg"), field(line, "error"));
    let told: Vec<_> = [words, error].into_iter().flatten().collect();
    Some(if told.is_empty() { line.to_owned() } else { told.join(": ") })
}

/// A field of a line as `time="…" level=error msg="…"`.
fn field(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    let Some(quoted) = rest.strip_prefix('"') else {
        return rest.split_whitespace().next().map(str::to_owned);
    };
    let (mut text, mut is_escaped) = (String::new(), false);
    for it in quoted.chars() {
        match it {
            '"' if !is_escaped => return Some(text),
            '\\' if !is_escaped => is_escaped = true,
            it => {
                text.push(it);
                is_escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"time="2026-11-22T15:01:41.123456789Z" level=error msg="failed to decode hosts.toml" error="failed to parse TOML: (1, 3): was expecting token =, but got \"is\" instead" host="kind-registry:5000""#;

    #[test]
    fn a_complaint_that_is_younger_than_the_files_is_told() {
        let after = format!("2026-11-22T15:01:40\n{LINE}\n");
        let words = r#"failed to decode hosts.toml: failed to parse TOML: (1, 3): was expecting token =, but got "is" instead"#;
        assert_eq!(judge(&after).as_deref(), Some(words));
        assert_eq!(judge(&format!("2026-11-22T15:01:42\n{LINE}\n")), None);
        assert_eq!(judge(&format!("\n{LINE}\n")).as_deref(), Some(words));
        assert_eq!(judge("2026-11-22T15:01:40\n"), None);
        assert_eq!(judge("\nsomething about hosts.toml\n"), None);
    }
}
