//! The pulls of one large blob beside bare senders, which do nothing else: how near they come to what the
//! system's two ways to send a file allow, and whether a bare sender would reach what is aimed at.

use super::row::{Against, ROWS, Row};
use super::{PEERS, Results, SUBJECT, absent, line};

/// The bare senders, by how the bytes go, and the heads of their columns.
const SENDERS: [(&str, &str); 2] =
    [("sender-copy", "bare sender, copy"), ("sender-sendfile", "bare sender, `sendfile`")];

impl Results {
    /// A table in Markdown: a row for each question that was put to a bare sender too; empty when none was.
    #[must_use]
    pub fn senders(&self) -> String {
        let rows: String = ROWS.iter().filter_map(|row| Some(line(&self.beside(row)?))).collect();
        if rows.is_empty() {
            return rows;
        }
        let mut head = vec![String::new(), SUBJECT.to_owned()];
        head.extend(SENDERS.map(|(_, title)| title.to_owned()));
        head.extend(SENDERS.map(|(_, title)| format!("{SUBJECT} / {title}")));
        head.push("aim".to_owned());
        head.extend(SENDERS.map(|(_, title)| format!("{title}, held against the aim")));
        line(&head) + &line(&vec!["---".to_owned(); head.len()]) + &rows
    }

    fn beside(&self, row: &Row) -> Option<Vec<String>> {
        SENDERS.iter().find_map(|(sender, _)| self.spread(row, sender))?;
        let shown = |server: &str| {
            self.spread(row, server).map_or_else(absent, |spread| spread.show(row.decimals))
        };
        let mut cells = vec![row.name(), shown(SUBJECT)];
        cells.extend(SENDERS.map(|(sender, _)| shown(sender)));
        let ours = |(sender, _): (&str, &str)| self.ratio(row, sender).map(|it| it.to_string());
        cells.extend(SENDERS.map(|sender| ours(sender).unwrap_or_else(absent)));
        let best = self.best(row, PEERS);
        // The one that a bare sender can be held against: others are about itself, or about nginx.
        let mut bounds = row.aims.iter().flat_map(|aim| aim.bounds);
        let bound = bounds.find(|bound| matches!(bound.against, Against::Best));
        cells.push(bound.map_or_else(absent, ToString::to_string));
        cells.extend(SENDERS.map(|(sender, _)| {
            let judged = || {
                let ratio = self.ratio_between(row, sender, best?)?;
                let met = if bound?.is_met(ratio.median) { "met" } else { "missed" };
                Some(format!("{met}, {ratio} of {}", best?))
            };
            judged().unwrap_or_else(absent)
        }));
        Some(cells)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::report::Results;
    use crate::{Measurement, Operation};

    fn pulled(server: &str, seconds: f64) -> Measurement {
        let time = Duration::from_secs_f64(seconds);
        let mut measured = Measurement::new(server, Operation::Pull, 8, time);
        (measured.bytes, measured.size) = (Some(1_000_000_000), Some(1 << 30));
        measured
    }

    #[test]
    fn a_bare_sender_is_held_against_the_aim_too() {
        let mut measured = vec![pulled("wharf", 0.5), pulled("olareg", 1.0), pulled("zot", 2.0)];
        assert_eq!(Results::new(measured.clone()).senders(), "");
        measured.push(pulled("sender-copy", 0.4));
        measured.push(pulled("sender-sendfile", 0.8));
        let table = Results::new(measured).senders();
        let row = "| pull of 1 GiB, 8 clients, GB/s | 2.00 | 2.50 | 1.25 | 0.80 | 1.60 \
                   | at least 1.4 of the best peer | met, 2.50 of olareg | missed, 1.25 of olareg |";
        assert!(table.contains(row), "{table}");
        assert_eq!(table.lines().count(), 3, "{table}");
    }
}
