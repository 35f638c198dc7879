//! The pictures of a run, out of the rows of its table.
//!
//! It refuses to leave a server out: each picture has all that were measured for it.

use super::row::{ROWS, Row};
use super::{LIMITS, PEERS, Results, SUBJECT};
use crate::plot::{Chart, Group, Panel};

/// A picture: its file, its title, and the units of its panels with the starts of their rows.
struct Picture {
    file: &'static str,
    title: &'static str,
    panels: &'static [(&'static str, &'static str, &'static str)],
}

const PICTURES: &[Picture] = &[
    Picture {
        file: "pull.svg",
        title: "Pulls",
        panels: &[
            ("Throughput of pulls of 1 GiB", "pull of 1 GiB", "GB/s"),
            ("Throughput of smaller pulls", "pull of 1", "GB/s"),
            ("What a pull costs the server", "pull of 1 GiB", "server CPU s per GB"),
        ],
    },
    Picture {
        file: "push.svg",
        title: "Pushes",
        panels: &[
            ("Throughput of pushes", "push of ", "GB/s"),
            ("What a push costs the server", "push of ", "server CPU s per GB"),
            ("Small blobs", "small blobs", "blobs/s"),
            ("Calls that sync", "push of ", "sync calls"),
        ],
    },
    Picture {
        file: "requests.svg",
        title: "Small requests, memory, start",
        panels: &[
            ("Requests on 16 connections", "", "requests/s"),
            ("Lists and start", "", "ms"),
            ("Private memory", "64 pulls and 8 pushes at once, private", "MB"),
        ],
    },
];

impl Results {
    /// The pictures and the names of their files; those without a measurement are left out.
    #[must_use]
    pub fn charts(&self, subtitle: &str) -> Vec<(&'static str, Chart)> {
        let chart = |picture: &Picture| Some((picture.file, self.chart(picture, subtitle)?));
        PICTURES.iter().filter_map(chart).collect()
    }

    fn chart(&self, picture: &Picture, subtitle: &str) -> Option<Chart> {
        let rows: Vec<Vec<&Row>> = {
            let mut drawn: Vec<String> = Vec::new();
            let mut of_panel = |start: &str, unit: &str| {
                let rows: Vec<&Row> = ROWS
                    .iter()
                    .filter(|row| row.unit == unit && row.title.starts_with(start))
                    .filter(|row| self.spread(row, SUBJECT).is_some())
                    .filter(|row| !drawn.contains(&row.name()))
                    .collect();
                drawn.extend(rows.iter().map(|row| row.name()));
                rows
            };
            picture.panels.iter().map(|(_, start, unit)| of_panel(start, unit)).collect()
        };
        let mut servers = vec![SUBJECT];
        let is_measured =
            |server: &&str| rows.iter().flatten().any(|row| self.spread(row, server).is_some());
        servers.extend(PEERS.iter().chain(LIMITS).copied().filter(|server| is_measured(server)));
        let panels: Vec<Panel> = picture
            .panels
            .iter()
            .zip(&rows)
            .filter_map(|((title, _, unit), rows)| {
                let better = rows.first()?.better;
                let groups = rows.iter().map(|row| Group {
                    label: row.title.to_owned(),
                    values: servers.iter().map(|server| self.spread(row, server)).collect(),
                });
                let groups = groups.collect();
                Some(Panel { title: (*title).to_owned(), unit: (*unit).to_owned(), better, groups })
            })
            .collect();
        (!panels.is_empty()).then(|| Chart {
            title: picture.title.to_owned(),
            subtitle: vec![subtitle.to_owned()],
            servers: servers.into_iter().map(str::to_owned).collect(),
            panels,
            note: "A bar is the median of the rounds, a whisker goes from the least to the most."
                .to_owned(),
        })
    }
}
