//! The measurements of one run as a document: medians, spreads, ratios, and where a peer is ahead.
//!
//! It refuses to flatter: a ratio is formed round by round against what the peer did in the same round,
//! every row is shown, and the rows in which a peer is ahead are listed by name.

mod comparison;
pub mod loops;
mod row;
mod summary;

use std::fs;
use std::path::Path;

pub use comparison::{Compared, Comparison, Quantity};
use row::{Aim, ROWS, Row};
pub use summary::{Ratio, Spread, ratio, spread};

use crate::content::file_error;
use crate::{LoadError, Measurement};

/// The measurements of one run.
#[derive(Debug)]
pub struct Results {
    measured: Vec<Measurement>,
    /// The servers, in the order in which they first appear; the first is the one that is judged.
    servers: Vec<String>,
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
        let mut servers: Vec<String> = Vec::new();
        for measured in &measured {
            if !servers.contains(&measured.server) {
                servers.push(measured.server.clone());
            }
        }
        Self { measured, servers }
    }

    /// The table, in Markdown: a row per question, a column per server, a ratio per peer, the aim.
    #[must_use]
    pub fn table(&self) -> String {
        let peers = || self.servers.iter().skip(1);
        let subject = self.servers.first().map_or("", String::as_str);
        let mut head = vec!["".to_owned()];
        head.extend(self.servers.iter().cloned());
        head.extend(peers().map(|peer| format!("{subject} / {peer}")));
        head.push("aim".to_owned());
        let mut table = line(&head);
        table.push_str(&line(&vec!["---".to_owned(); head.len()]));
        for row in ROWS {
            if let Some(cells) = self.cells(row) {
                table.push_str(&line(&cells));
            }
        }
        table
    }

    /// The rows in which a peer is ahead and those whose aim is missed, as a list in Markdown.
    #[must_use]
    pub fn behind(&self) -> String {
        let mut list = String::new();
        for row in ROWS {
            for peer in self.servers.iter().skip(1) {
                if let Some(ratio) = self.ratio(row, peer)
                    && row.is_behind(ratio.median)
                {
                    let text = format!("- {}: {peer} is ahead; the ratio is {ratio}.\n", row.title);
                    list.push_str(&text);
                }
            }
            for aim in row.aims {
                if self.is_met(row, aim) == Some(false) {
                    list.push_str(&format!("- {}: the aim, {aim}, is missed.\n", row.title));
                }
            }
        }
        if list.is_empty() { "In no row of this run.\n".to_owned() } else { list }
    }

    /// The cells of a row; `None` when nobody was measured for it.
    fn cells(&self, row: &Row) -> Option<Vec<String>> {
        let absent = || "–".to_owned();
        let spreads: Vec<_> = self.servers.iter().map(|server| self.spread(row, server)).collect();
        spreads.iter().flatten().next()?;
        let mut cells = vec![format!("{}, {}", row.title, row.unit)];
        let shown =
            |spread: Option<Spread>| spread.map_or_else(absent, |spread| spread.show(row.decimals));
        cells.extend(spreads.into_iter().map(shown));
        for peer in self.servers.iter().skip(1) {
            let ratio = self.ratio(row, peer);
            cells.push(ratio.map_or_else(absent, |ratio| ratio.to_string()));
        }
        let aims = row.aims.iter().filter_map(|aim| {
            let met = if self.is_met(row, aim)? { "met" } else { "**missed**" };
            Some(format!("{aim}: {met}"))
        });
        cells.push(aims.collect::<Vec<_>>().join("; "));
        Some(cells)
    }

    fn is_met(&self, row: &Row, aim: &Aim) -> Option<bool> {
        let value = match aim.peer {
            Some(peer) => self.ratio(row, peer)?.median,
            None => self.spread(row, self.servers.first()?)?.median,
        };
        Some(aim.is_met(value))
    }

    fn ratio(&self, row: &Row, peer: &str) -> Option<Ratio> {
        ratio(&self.values(row, self.servers.first()?), &self.values(row, peer))
    }

    fn spread(&self, row: &Row, server: &str) -> Option<Spread> {
        spread(&self.values(row, server))
    }

    /// The values of a server in a row, in the order of the rounds.
    fn values(&self, row: &Row, server: &str) -> Vec<f64> {
        let of_row = |measured: &&Measurement| measured.server == server && row.is_about(measured);
        self.measured.iter().filter(of_row).filter_map(row.value).collect()
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Operation;

    fn pulled(server: &str, seconds: f64) -> Measurement {
        let time = Duration::from_secs_f64(seconds);
        let mut measured = Measurement::new(server, Operation::Pull, 8, time);
        measured.bytes = Some(1_000_000_000);
        measured
    }

    #[test]
    fn ratios_are_formed_round_by_round() {
        let results = Results::new(vec![
            pulled("wharf", 0.25),
            pulled("docker-registry", 0.5),
            pulled("wharf", 0.5),
            pulled("docker-registry", 1.5),
        ]);
        let table = results.table();
        assert!(table.contains("pull, 8 clients, GB/s"), "{table}");
        assert!(table.contains("| 2.50 (2.00–3.00) |"), "{table}");
        assert!(!table.contains("1 client"), "{table}");
        assert_eq!(results.behind(), "In no row of this run.\n");
    }

    #[test]
    fn a_peer_that_is_ahead_is_named() {
        let results = Results::new(vec![pulled("wharf", 1.0), pulled("docker-registry", 0.5)]);
        let behind = results.behind();
        assert!(behind.contains("pull, 8 clients: docker-registry is ahead"), "{behind}");
        assert!(behind.contains("is missed"), "{behind}");
    }
}
