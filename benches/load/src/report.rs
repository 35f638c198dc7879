//! The measurements of one run as a document: medians, spreads, ratios, and where a peer is ahead.
//!
//! It refuses to flatter: wharf is put against the best of the peers in each row, a ratio is formed round
//! by round against what that peer did in the same round, every row is shown, and the rows in which a peer
//! is ahead or an aim is missed are listed by name.

mod chart;
mod comparison;
pub mod loops;
mod row;
mod senders;
mod summary;

use std::fs;
use std::path::Path;

pub use comparison::{Compared, Comparison, Quantity};
use row::{Against, Aim, Bound, ROWS, Row};
pub use summary::{Ratio, Spread, ratio, spread};

use crate::content::file_error;
use crate::{LoadError, Measurement};

/// The server that is judged.
const SUBJECT: &str = "wharf";
/// The servers that it is put against, in the order of their columns.
const PEERS: &[&str] = &["docker-registry", "distribution", "zot", "olareg"];
/// Those of them that have the bytes on the disk when they answer a push.
const SYNCING: &[&str] = &["docker-registry", "distribution"];
/// What stands for the limit of the machine: files served by nginx, pushes taken by the bare receiver.
const LIMITS: &[&str] = &["nginx", "receiver"];

/// The measurements of one run.
#[derive(Debug)]
pub struct Results {
    measured: Vec<Measurement>,
}

impl Results {
    /// Reads measurements, one line of JSON each.
    ///
    /// # Errors
    /// When the file cannot be read or a line is no measurement.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let text = fs::read_to_string(path).map_err(|source| file_error("read", path, source))?;
        let parse = |(index, line): (usize, &str)| {
            serde_json::from_str::<Measurement>(line).map_err(|source| LoadError::Results {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        };
        Ok(Self::new(text.lines().enumerate().map(parse).collect::<Result<_, _>>()?))
    }

    /// These measurements.
    #[must_use]
    pub fn new(measured: Vec<Measurement>) -> Self {
        Self { measured }
    }

    /// The table, in Markdown: a row per question, a column per server, wharf to the best of its peers and
    /// to the limit, the aim.
    #[must_use]
    pub fn table(&self) -> String {
        let peers: Vec<&str> = PEERS.iter().copied().filter(|peer| self.knows(peer)).collect();
        let mut head = vec![String::new(), SUBJECT.to_owned()];
        head.extend(peers.iter().map(|peer| match SYNCING.contains(peer) {
            true => (*peer).to_owned(),
            false => format!("{peer} (syncs nothing)"),
        }));
        let rest = ["limit", "wharf / best peer", "wharf / limit", "aim"];
        head.extend(rest.map(str::to_owned));
        let mut table = line(&head);
        table.push_str(&line(&vec!["---".to_owned(); head.len()]));
        for row in ROWS {
            if let Some(cells) = self.cells(row, &peers) {
                table.push_str(&line(&cells));
            }
        }
        table
    }

    /// The rows in which a peer is ahead and those whose aim is missed, as a list in Markdown; empty when
    /// there are none.
    #[must_use]
    pub fn behind(&self) -> String {
        let mut list = String::new();
        for row in ROWS {
            let name = row.name();
            for peer in PEERS.iter().chain(LIMITS) {
                if let Some(ratio) = self.ratio(row, peer)
                    && row.is_behind(ratio.median)
                {
                    let note = if is_unsynced(row, peer) { ", which syncs nothing," } else { "" };
                    list.push_str(&format!(
                        "- {name}: {peer}{note} is ahead; wharf / {peer} is {ratio}.\n"
                    ));
                }
            }
            for aim in row.aims {
                if self.is_met(row, aim) == Some(false) {
                    list.push_str(&format!(
                        "- {name}: the aim, {aim}, is missed ({}).\n",
                        self.reached(row, aim)
                    ));
                }
            }
        }
        list
    }

    /// The cells of a row; `None` when nobody was measured for it.
    fn cells(&self, row: &Row, peers: &[&str]) -> Option<Vec<String>> {
        let limit = self.limit(row);
        let of = |server: &str| self.spread(row, server);
        std::iter::once(SUBJECT).chain(peers.iter().copied()).chain(limit).find_map(of)?;
        let shown =
            |server: &str| of(server).map_or_else(absent, |spread| spread.show(row.decimals));
        let mut cells = vec![row.name(), shown(SUBJECT)];
        cells.extend(peers.iter().map(|peer| shown(peer)));
        cells.push(limit.map_or_else(absent, |limit| format!("{}, {limit}", shown(limit))));
        let to = |peer: Option<&str>| {
            let ratio = self.ratio(row, peer?)?;
            Some(format!("{ratio}, {}", peer?))
        };
        cells.push(to(self.best(row, PEERS)).unwrap_or_else(absent));
        cells.push(to(limit).unwrap_or_else(absent));
        let aims = row.aims.iter().filter_map(|aim| {
            let met = if self.is_met(row, aim)? { "met" } else { "**missed**" };
            Some(format!("{aim}: {met}, {}", self.reached(row, aim)))
        });
        cells.push(aims.collect::<Vec<_>>().join("; "));
        Some(cells)
    }

    /// Whether one of the bounds is kept; `None` when none of them was measured.
    fn is_met(&self, row: &Row, aim: &Aim) -> Option<bool> {
        let met = |bound: &Bound| Some(bound.is_met(self.value(row, bound)?));
        aim.bounds.iter().filter_map(met).reduce(|one, other| one || other)
    }

    /// What each bound of an aim is held against.
    fn reached(&self, row: &Row, aim: &Aim) -> String {
        let told = |bound: &Bound| {
            let value = crate::plot::figure(self.value(row, bound)?);
            Some(match self.peer(row, bound) {
                Some(peer) => format!("{value} of {peer}"),
                None => value,
            })
        };
        aim.bounds.iter().filter_map(told).collect::<Vec<_>>().join(", ")
    }

    fn value(&self, row: &Row, bound: &Bound) -> Option<f64> {
        match bound.against {
            Against::Nobody => Some(self.spread(row, SUBJECT)?.median),
            _ => Some(self.ratio(row, self.peer(row, bound)?)?.median),
        }
    }

    fn peer(&self, row: &Row, bound: &Bound) -> Option<&'static str> {
        match bound.against {
            Against::Best => self.best(row, PEERS),
            Against::BestThatSyncs => self.best(row, SYNCING),
            Against::Distribution => Some("distribution"),
            Against::Limit => self.limit(row),
            Against::Nobody => None,
        }
    }

    /// The peer with the best median.
    fn best(&self, row: &Row, peers: &[&'static str]) -> Option<&'static str> {
        let medians = peers.iter().filter_map(|peer| Some((*peer, self.spread(row, peer)?.median)));
        medians
            .reduce(|one, other| if row.is_better(other.1, one.1) { other } else { one })
            .map(|(peer, _)| peer)
    }

    fn limit(&self, row: &Row) -> Option<&'static str> {
        LIMITS.iter().copied().find(|limit| self.spread(row, limit).is_some())
    }

    fn knows(&self, server: &str) -> bool {
        self.measured.iter().any(|measured| measured.server == server)
    }

    /// Ours to theirs: in rounds that both have a number for, by that number, else in their order.
    fn ratio(&self, row: &Row, peer: &str) -> Option<Ratio> {
        self.ratio_between(row, SUBJECT, peer)
    }

    fn ratio_between(&self, row: &Row, one: &str, other: &str) -> Option<Ratio> {
        let (ours, theirs) = (self.rounds(row, one), self.rounds(row, other));
        let pairs: Vec<(f64, f64)> = if ours.iter().chain(&theirs).all(|(round, _)| round.is_some())
        {
            let other = |round| theirs.iter().find(|(other, _)| *other == round);
            ours.iter().filter_map(|(round, value)| Some((*value, other(*round)?.1))).collect()
        } else {
            ours.iter().zip(&theirs).map(|(ours, theirs)| (ours.1, theirs.1)).collect()
        };
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        ratio(&ours, &theirs)
    }

    fn spread(&self, row: &Row, server: &str) -> Option<Spread> {
        let values: Vec<f64> =
            self.rounds(row, server).into_iter().map(|(_, value)| value).collect();
        spread(&values)
    }

    /// The values of a server in a row and their rounds, in the order in which they were measured.
    fn rounds(&self, row: &Row, server: &str) -> Vec<(Option<u32>, f64)> {
        let of_row = |measured: &&Measurement| measured.server == server && row.is_about(measured);
        let value = |measured: &Measurement| Some((measured.round, (row.value)(measured)?));
        self.measured.iter().filter(of_row).filter_map(value).collect()
    }
}

/// Whether a peer is ahead in a push for want of a promise.
fn is_unsynced(row: &Row, peer: &str) -> bool {
    row.is_push() && PEERS.contains(&peer) && !SYNCING.contains(&peer)
}

fn absent() -> String {
    "–".to_owned()
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Operation;

    fn measured(server: &str, operation: Operation, seconds: f64, round: u32) -> Measurement {
        let time = Duration::from_secs_f64(seconds);
        let mut measured = Measurement::new(server, operation, 8, time);
        measured.bytes = Some(1_000_000_000);
        measured.size = Some(if operation == Operation::Pull { 1 << 30 } else { 256 << 20 });
        measured.round = Some(round);
        measured
    }

    fn pulled(server: &str, seconds: f64, round: u32) -> Measurement {
        measured(server, Operation::Pull, seconds, round)
    }

    #[test]
    fn ratios_are_formed_round_by_round_against_the_best_peer() {
        let results = Results::new(vec![
            pulled("wharf", 0.25, 1),
            pulled("docker-registry", 1.0, 1),
            pulled("olareg", 0.5, 1),
            pulled("olareg", 1.5, 2),
            pulled("wharf", 0.5, 2),
            pulled("docker-registry", 4.0, 2),
        ]);
        let table = results.table();
        assert!(table.contains("pull of 1 GiB, 8 clients, GB/s"), "{table}");
        assert!(table.contains("| 2.50 (2.00–3.00), olareg |"), "{table}");
        assert!(table.contains("at least 1.4 of the best peer: met"), "{table}");
        assert!(!table.contains("distribution"), "{table}");
        assert_eq!(results.behind(), "");
    }

    #[test]
    fn a_round_that_a_server_failed_in_is_no_pair() {
        let results = Results::new(vec![
            pulled("wharf", 1.0, 1),
            pulled("wharf", 1.0, 2),
            pulled("olareg", 4.0, 2),
        ]);
        assert!(results.table().contains("| 4.00, olareg |"), "{}", results.table());
    }

    #[test]
    fn a_peer_that_is_ahead_is_named_and_whether_it_syncs() {
        let push = |server, seconds| measured(server, Operation::Push, seconds, 1);
        let results = Results::new(vec![
            pulled("wharf", 1.0, 1),
            pulled("docker-registry", 0.5, 1),
            push("wharf", 1.0),
            push("distribution", 2.0),
            push("olareg", 0.5),
            push("receiver", 0.5),
        ]);
        let behind = results.behind();
        assert!(
            behind.contains("pull of 1 GiB, 8 clients, GB/s: docker-registry is ahead"),
            "{behind}"
        );
        assert!(behind.contains("olareg, which syncs nothing, is ahead"), "{behind}");
        assert!(behind.contains("receiver is ahead"), "{behind}");
        // Twice the best that syncs: one of the two bounds of the aim is enough.
        let table = results.table();
        assert!(
            table.contains(
                "or at least 0.85 of the limit: met, 2.00 of distribution, 0.500 of receiver"
            ),
            "{table}"
        );
    }
}
