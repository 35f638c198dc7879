//! From a rebuilt image to a node that has it: the tables of pushes by several clients, of a node's pulls,
//! and of the loop, out of the lines that `benches/compare/node.sh` writes.
//!
//! It refuses to compare what different rounds gave: a ratio is formed within a round.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::line;
use super::summary::{Ratio, ratio, spread};
use crate::LoadError;
use crate::content::file_error;

/// What was timed of one way in one round.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Who pushed: `podman`, `skopeo`, `stream`, `ingest`, or `kind-load`, which pushes nowhere.
    pub client: String,
    /// Where to: `wharf`, `docker-registry` or `none`.
    pub registry: String,
    /// `first`, `unchanged`, `small`, `large`, `memory`, `pull-gzip`, `pull-zstd`, `pull-none`, `loop`;
    /// `image` tells the image's size and is of nobody.
    pub step: String,
    /// The round, from 1.
    pub round: usize,
    /// Seconds on the clock of the whole step.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Of these the push, or the saving of an archive.
    #[serde(default)]
    pub push_seconds: Option<f64>,
    /// Of these the pull, or the loading of the archive.
    #[serde(default)]
    pub pull_seconds: Option<f64>,
    /// CPU seconds of the client's processes.
    #[serde(default)]
    pub client_cpu: Option<f64>,
    /// CPU seconds of the registry.
    #[serde(default)]
    pub server_cpu: Option<f64>,
    /// CPU seconds of the node, containerd and what it starts.
    #[serde(default)]
    pub node_cpu: Option<f64>,
    /// Peak private memory, or the size of the image, in bytes.
    #[serde(default)]
    pub bytes: Option<f64>,
}

/// A number of a line.
type Value = fn(&Taken) -> Option<f64>;

/// A client and the registry it works with: a column of a table.
#[derive(Clone, Copy)]
struct Way {
    title: &'static str,
    client: &'static str,
    registry: &'static str,
}

const PODMAN: Way = Way { title: "podman push", client: "podman", registry: "docker-registry" };
const SKOPEO: Way = Way { title: "skopeo copy", client: "skopeo", registry: "docker-registry" };
const STREAM: Way = Way { title: "wharf, stream", client: "stream", registry: "wharf" };
const INGEST: Way = Way { title: "wharf, ingest", client: "ingest", registry: "wharf" };
const KIND: Way = Way { title: "podman save + kind load", client: "kind-load", registry: "none" };

/// The document around the tables.
const SECTION: &str = include_str!("../../../compare/node/report.template.md");

/// What the loop is to be faster than, and by how much at least, by either road.
const AIMS: [(Way, f64); 2] = [(PODMAN, 2.5), (KIND, 3.0)];

const PUSHES: [(&str, &str); 4] = [
    ("first push", "first"),
    ("nothing changed", "unchanged"),
    ("one small file changed", "small"),
    ("a layer of 48 MB changed", "large"),
];

/// The form of an image's layers in the registry, and who pushed them.
const PULLS: [(&str, &str, &str); 3] = [
    ("gzip, of podman push", "pull-gzip", "podman"),
    ("zstd, of podman push", "pull-zstd", "podman"),
    ("uncompressed, of wharf push", "pull-none", "stream"),
];

const SECONDS: Value = |taken| taken.seconds;
const SERVER_CPU: Value = |taken| taken.server_cpu;
const CLIENT_CPU: Value = |taken| taken.client_cpu;
const NODE_CPU: Value = |taken| taken.node_cpu;

/// The measurements of one run.
#[derive(Debug, Default)]
pub struct Loops {
    taken: Vec<Taken>,
}

impl Loops {
    /// Reads measurements, one line of JSON each.
    ///
    /// # Errors
    /// When the file cannot be read or a line is no measurement.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let text = fs::read_to_string(path).map_err(|source| file_error("read", path, source))?;
        let parse = |(index, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|source| LoadError::Results {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        };
        let taken = text.lines().enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { taken })
    }

    /// All tables and what they mean, in Markdown, below headings of the third level; empty when nothing
    /// was measured.
    #[must_use]
    pub fn table(&self) -> String {
        if self.taken.is_empty() {
            return String::new();
        }
        let image = self.taken.iter().find(|taken| taken.step == "image");
        let megabytes = |bytes| format!("{:.1} MB", bytes / 1e6);
        let image = image.and_then(|taken| taken.bytes).map_or_else(absent, megabytes);
        SECTION
            .replace("{{image}}", &image)
            .replace("{{pushes}}", self.pushes().trim_end())
            .replace("{{pulls}}", self.pulls().trim_end())
            .replace("{{loops}}", self.loops().trim_end())
    }

    /// The pushes, in Markdown: each client by itself, and how many times as long as wharf podman took.
    #[must_use]
    pub fn pushes(&self) -> String {
        let ways = [PODMAN, SKOPEO, STREAM, INGEST];
        let head = head(ways.map(|way| way.title), &["podman / stream", "podman / ingest"]);
        let mut rows = String::new();
        for (title, step) in PUSHES {
            let ratios = [STREAM, INGEST].map(|way| self.times(PODMAN, way, step));
            rows.push_str(&self.row(&format!("{title}, s"), &ways, step, SECONDS, &ratios));
            let none = [None, None];
            rows.push_str(&self.row("– CPU s of the client", &ways, step, CLIENT_CPU, &none));
            rows.push_str(&self.row("– CPU s of the registry", &ways, step, SERVER_CPU, &none));
        }
        let megabytes: Value = |taken| taken.bytes.map(|bytes| bytes / 1e6);
        let title = "peak private memory of the client, first push, MB";
        rows.push_str(&self.row(title, &ways, "memory", megabytes, &[None, None]));
        below(head, rows)
    }

    /// A node's pulls of the whole image, in Markdown.
    #[must_use]
    pub fn pulls(&self) -> String {
        let head = head(["wharf", "docker-registry"], &["docker-registry / wharf"]);
        let mut rows = String::new();
        for (title, step, client) in PULLS {
            let [ours, theirs] = pulled_from(client);
            let ways = [ours, theirs];
            let ratios = [self.times(theirs, ours, step)];
            rows.push_str(&self.row(&format!("{title}, s"), &ways, step, SECONDS, &ratios));
            rows.push_str(&self.row("– CPU s of the node", &ways, step, NODE_CPU, &[None]));
            rows.push_str(&self.row("– CPU s of the registry", &ways, step, SERVER_CPU, &[None]));
        }
        below(head, rows)
    }

    /// The loop, in Markdown: what a developer waits from a rebuilt layer to a node that has it.
    #[must_use]
    pub fn loops(&self) -> String {
        let ways = [PODMAN, KIND, STREAM, INGEST];
        let titles = ["podman push + docker-registry", KIND.title, STREAM.title, INGEST.title];
        let mut table = head(titles, &[]);
        let rows: [(&str, Value); 6] = [
            ("the whole loop, s", SECONDS),
            ("– push, or save, s", |taken| taken.push_seconds),
            ("– pull, or load, s", |taken| taken.pull_seconds),
            ("– CPU s of the clients", CLIENT_CPU),
            ("– CPU s of the registry", SERVER_CPU),
            ("– CPU s of the node", NODE_CPU),
        ];
        for (title, value) in rows {
            table.push_str(&self.row(title, &ways, "loop", value, &[]));
        }
        for (peer, aim) in AIMS {
            let mut cells = vec![format!("{} takes so many times as long", peer.title)];
            cells.extend([String::new(), String::new()]);
            cells.extend([STREAM, INGEST].map(|way| match self.times(peer, way, "loop") {
                Some(ratio) if ratio.median >= aim => format!("{ratio}; at least {aim}: met"),
                Some(ratio) => format!("{ratio}; at least {aim}: **missed**"),
                None => absent(),
            }));
            table.push_str(&line(&cells));
        }
        table
    }

    /// Where a peer is ahead and which aims are missed, as a list in Markdown; empty when there is nothing
    /// to say.
    #[must_use]
    pub fn behind(&self) -> String {
        let mut list = String::new();
        for (title, step) in PUSHES {
            for peer in [PODMAN, SKOPEO] {
                for way in [STREAM, INGEST] {
                    let name = format!("{title} ({})", way.title);
                    list.push_str(&ahead(&name, peer.title, self.times(peer, way, step)));
                }
            }
        }
        for (title, step, client) in PULLS {
            let [ours, theirs] = pulled_from(client);
            let name = format!("a node's pull, {title}");
            list.push_str(&ahead(&name, theirs.registry, self.times(theirs, ours, step)));
        }
        for (peer, aim) in AIMS {
            for way in [STREAM, INGEST] {
                if let Some(ratio) = self.times(peer, way, "loop").filter(|it| it.median < aim) {
                    let (road, peer) = (way.title, peer.title);
                    list.push_str(&format!(
                        "- the loop ({road}): {peer} takes {ratio} times as long; the aim, at least {aim}, is missed.\n"
                    ));
                }
            }
        }
        list
    }

    /// A row: a spread per way, then ratios. Nothing when nobody was measured for it.
    fn row(
        &self,
        title: &str,
        ways: &[Way],
        step: &str,
        value: Value,
        ratios: &[Option<Ratio>],
    ) -> String {
        let spreads: Vec<_> = ways
            .iter()
            .map(|way| {
                let values: Vec<_> =
                    self.values(*way, step, value).into_iter().map(|(_, it)| it).collect();
                spread(&values).map(|spread| spread.show(if spread.median < 10.0 { 3 } else { 1 }))
            })
            .collect();
        if spreads.iter().all(Option::is_none) {
            return String::new();
        }
        let mut cells = vec![title.to_owned()];
        cells.extend(spreads.into_iter().map(|spread| spread.unwrap_or_else(absent)));
        let ratios = ratios.iter().map(|it| it.map_or_else(String::new, |ratio| ratio.to_string()));
        cells.extend(ratios);
        line(&cells)
    }

    /// How many times as long as `ours` `peer` took, round by round.
    fn times(&self, peer: Way, ours: Way, step: &str) -> Option<Ratio> {
        let ours = self.values(ours, step, SECONDS);
        let of_ours = |round| ours.iter().find(|(it, _)| *it == round).map(|(_, value)| *value);
        let pairs = self.values(peer, step, SECONDS).into_iter();
        let (peers, ours): (Vec<_>, Vec<_>) =
            pairs.filter_map(|(round, value)| Some((value, of_ours(round)?))).unzip();
        ratio(&peers, &ours)
    }

    /// The rounds and values of a way in a step.
    fn values(&self, way: Way, step: &str, value: Value) -> Vec<(usize, f64)> {
        self.taken
            .iter()
            .filter(|it| it.client == way.client && it.registry == way.registry && it.step == step)
            .filter_map(|it| Some((it.round, value(it)?)))
            .collect()
    }
}

/// Who is compared where a node pulls what `client` pushed: wharf, and its peer.
fn pulled_from(client: &'static str) -> [Way; 2] {
    ["wharf", "docker-registry"].map(|registry| Way { title: registry, client, registry })
}

fn head<const N: usize>(columns: [&str; N], more: &[&str]) -> String {
    let mut cells = vec![""];
    cells.extend(columns);
    cells.extend(more);
    let cells: Vec<_> = cells.into_iter().map(str::to_owned).collect();
    line(&cells) + &line(&vec!["---".to_owned(); cells.len()])
}

/// A table of these rows; a word where there are none.
fn below(head: String, rows: String) -> String {
    if rows.is_empty() { "Not measured in this run.\n".to_owned() } else { head + &rows }
}

/// A line of the list when `ratio`, the peer's time by ours, says that the peer is ahead.
fn ahead(what: &str, peer: &str, ratio: Option<Ratio>) -> String {
    match ratio {
        Some(ratio) if ratio.median < 0.995 => {
            format!("- {what}: {peer} is ahead; it takes {ratio} times as long.\n")
        }
        _ => String::new(),
    }
}

fn absent() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loops(lines: &[(&str, &str, &str, usize, f64)]) -> Loops {
        let taken = |&(client, registry, step, round, seconds): &(&str, &str, &str, usize, f64)| {
            serde_json::from_value(serde_json::json!({
                "client": client, "registry": registry, "step": step, "round": round,
                "seconds": seconds, "server_cpu": 0.5,
            }))
            .unwrap()
        };
        Loops { taken: lines.iter().map(taken).collect() }
    }

    #[test]
    fn the_loop_is_judged_round_by_round_against_its_aims() {
        let loops = loops(&[
            ("podman", "docker-registry", "loop", 1, 3.0),
            ("stream", "wharf", "loop", 2, 0.5), // another order than the peer's
            ("stream", "wharf", "loop", 1, 1.0),
            ("podman", "docker-registry", "loop", 2, 1.0),
            ("kind-load", "none", "loop", 1, 2.0),
        ]);
        let table = loops.loops();
        assert!(table.contains("| 2.50 (2.00–3.00); at least 2.5: met |"), "{table}");
        assert!(table.contains("| 2.00; at least 3: **missed** |"), "{table}");
        let behind = loops.behind();
        assert!(behind.starts_with("- the loop (wharf, stream): podman save"), "{behind}");
        assert_eq!(behind.lines().count(), 1, "{behind}");
    }

    #[test]
    fn a_pull_is_compared_with_that_of_the_same_form() {
        let loops = loops(&[
            ("podman", "wharf", "pull-gzip", 1, 2.0),
            ("podman", "docker-registry", "pull-gzip", 1, 1.0),
            ("podman", "docker-registry", "first", 1, 9.0),
        ]);
        let table = loops.pulls();
        assert!(table.contains("| gzip, of podman push, s | 2.000 | 1.000 | 0.50 |"), "{table}");
        assert!(!table.contains("zstd"), "{table}");
        let nothing = self::loops(&[]);
        assert_eq!(nothing.pulls(), "Not measured in this run.\n");
        let section = loops.table();
        assert!(section.contains(&table) && !section.contains("{{"), "{section}");
        assert!(loops.behind().contains("a node's pull, gzip"), "{}", loops.behind());
        assert!(loops.pushes().contains("| first push, s | 9.000 | – | – | – |"));
    }
}
