//! Where everything goes: the head, the legend, cards in one or two columns, bars in a card.
//!
//! Text may not overlap, so that every place is worked out before anything is drawn, by the widest font
//! that may come.

use super::paper::{COLOURS, Face, Paper};
use super::text::{figure, shorten, width, wrap};
use super::{Better, Chart, Group, Panel};

const SHEET: f64 = 980.0;
const MARGIN: f64 = 28.0;
const GUTTER: f64 = 18.0;
const PADDING: f64 = 18.0;

const BAR: f64 = 14.0;
const BAR_GAP: f64 = 5.0;
const GROUP_GAP: f64 = 12.0;
const LABEL: f64 = 21.0;
/// The least width of a bar that stands for something.
const SLIVER: f64 = 1.5;
/// Between the end of a whisker and the value.
const VALUE_GAP: f64 = 8.0;
/// The side of a colour's square in the legend.
const SWATCH: f64 = 12.0;
/// The most room for one server's name, so that one name does not fill the head.
const NAME_MAX: f64 = 430.0;

const TITLE: Face = Face { size: 23.0, bold: true, class: "title" };
const SUBTITLE: Face = Face { size: 13.0, bold: false, class: "muted" };
const LEGEND: Face = Face { size: 13.5, bold: false, class: "name" };
const QUESTION: Face = Face { size: 15.0, bold: true, class: "question" };
const UNIT: Face = Face { size: 12.0, bold: false, class: "muted" };
const SETTING: Face = Face { size: 12.5, bold: false, class: "setting" };
const VALUE: Face = Face { size: 12.0, bold: false, class: "value" };
const ABSENT: Face = Face { size: 12.0, bold: false, class: "muted" };
const NOTE: Face = Face { size: 12.0, bold: false, class: "muted" };

/// Bold letters are that much wider.
const BOLD: f64 = 1.08;

/// Everything placed.
pub(super) struct Sheet<'a> {
    chart: &'a Chart,
    title: Vec<String>,
    subtitle: Vec<String>,
    legend: Vec<Entry>,
    cards: Vec<Card<'a>>,
    note: Vec<String>,
    /// The base line of the note's first line.
    note_at: f64,
    height: f64,
}

/// A server in the legend; x and y are its square's.
struct Entry {
    name: String,
    x: f64,
    y: f64,
}

/// A panel with its place.
struct Card<'a> {
    panel: &'a Panel,
    title: Vec<String>,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl<'a> Sheet<'a> {
    /// Places everything.
    pub(super) fn of(chart: &'a Chart) -> Self {
        let room = SHEET - 2.0 * MARGIN;
        let title = wrap(&chart.title, TITLE.size * BOLD, room);
        let subtitle: Vec<_> =
            chart.subtitle.iter().flat_map(|line| wrap(line, SUBTITLE.size, room)).collect();
        let mut below = MARGIN + title.len() as f64 * 30.0 + subtitle.len() as f64 * 19.0 + 14.0;
        let legend = legend(&chart.servers, below);
        below = legend.last().map_or(below, |entry| entry.y + SWATCH + 20.0);
        let (cards, mut below) = cards(chart, below);
        let note = wrap(&chart.note, NOTE.size, room);
        let note_at = below + 8.0 + NOTE.size;
        if !note.is_empty() {
            below = note_at + (note.len() - 1) as f64 * 17.0 + 4.0;
        }
        let height = (below + MARGIN - GUTTER + 8.0).ceil();
        Self { chart, title, subtitle, legend, cards, note, note_at, height }
    }

    /// Draws it.
    pub(super) fn draw(&self) -> String {
        let mut paper =
            Paper::new(SHEET, self.height, &self.chart.title, &self.chart.subtitle.join("; "));
        let mut base = MARGIN + 22.0;
        for line in &self.title {
            paper.text(MARGIN, base, TITLE, line);
            base += 30.0;
        }
        base -= 5.0;
        for line in &self.subtitle {
            paper.text(MARGIN, base, SUBTITLE, line);
            base += 19.0;
        }
        for (index, entry) in self.legend.iter().enumerate() {
            paper.rectangle([entry.x, entry.y, SWATCH, SWATCH], 3.0, &colour(index), None);
            paper.text(entry.x + SWATCH + 7.0, entry.y + 11.0, LEGEND, &entry.name);
        }
        for card in &self.cards {
            card.draw(&mut paper, &self.chart.servers);
        }
        for (index, line) in self.note.iter().enumerate() {
            paper.text(MARGIN, self.note_at + index as f64 * 17.0, NOTE, line);
        }
        paper.finish()
    }
}

/// The servers beside each other, in as many lines as it takes.
fn legend(servers: &[String], top: f64) -> Vec<Entry> {
    let (mut x, mut y) = (MARGIN, top);
    let mut entries = Vec::new();
    for server in servers {
        let name = shorten(server, LEGEND.size, NAME_MAX);
        let taken = SWATCH + 7.0 + width(&name, LEGEND.size);
        if x > MARGIN && x + taken > SHEET - MARGIN {
            (x, y) = (MARGIN, y + 22.0);
        }
        entries.push(Entry { name, x, y });
        x += taken + 22.0;
    }
    entries
}

/// The panels in columns, each below the shorter one, so that the order is nearly that of reading; and
/// where they end.
fn cards(chart: &Chart, top: f64) -> (Vec<Card<'_>>, f64) {
    let columns = chart.panels.len().clamp(1, 2);
    let width = (SHEET - 2.0 * MARGIN - GUTTER * (columns - 1) as f64) / columns as f64;
    let mut ends = vec![top; columns];
    let mut cards = Vec::new();
    for panel in &chart.panels {
        let shortest = (0..columns).min_by(|&a, &b| ends[a].total_cmp(&ends[b])).unwrap_or(0);
        let title = wrap(&panel.title, QUESTION.size * BOLD, width - 2.0 * PADDING);
        let height = height(panel, title.len(), chart.servers.len());
        let (x, y) = (MARGIN + shortest as f64 * (width + GUTTER), ends[shortest]);
        ends[shortest] += height + GUTTER;
        cards.push(Card { panel, title, x, y, width, height });
    }
    (cards, ends.into_iter().fold(top, f64::max))
}

fn height(panel: &Panel, title_lines: usize, servers: usize) -> f64 {
    let groups: f64 = panel.groups.iter().map(|group| group_height(group, servers)).sum();
    let gaps = panel.groups.len().saturating_sub(1) as f64 * GROUP_GAP;
    2.0 * PADDING + title_lines as f64 * 20.0 + 22.0 + groups + gaps - 4.0
}

fn group_height(group: &Group, servers: usize) -> f64 {
    let label = if group.label.is_empty() { 0.0 } else { LABEL };
    label + servers as f64 * (BAR + BAR_GAP) - BAR_GAP
}

impl Card<'_> {
    fn draw(&self, paper: &mut Paper, servers: &[String]) {
        paper.rectangle([self.x, self.y, self.width, self.height], 8.0, "card", None);
        let left = self.x + PADDING;
        let mut y = self.y + PADDING;
        for line in &self.title {
            paper.text(left, y + 12.0, QUESTION, line);
            y += 20.0;
        }
        let better = match self.panel.better {
            Better::Less => "less is better",
            Better::More => "more is better",
        };
        let unit = match self.panel.unit.as_str() {
            "" => better.to_owned(),
            unit => format!("{unit} · {better}"),
        };
        paper.text(left, y + 10.0, UNIT, &shorten(&unit, UNIT.size, self.room()));
        y += 22.0;
        let axis = Axis::of(self.panel, servers.len(), left, self.room());
        for group in &self.panel.groups {
            if !group.label.is_empty() {
                let label = shorten(&group.label, SETTING.size, self.room());
                paper.text(left, y + 13.0, SETTING, &label);
                y += LABEL;
            }
            let best = best(group, self.panel.better, servers.len());
            let top = y;
            for (index, server) in servers.iter().enumerate() {
                axis.bar(paper, y, group, index, server, best == Some(index));
                y += BAR + BAR_GAP;
            }
            y -= BAR_GAP;
            paper.path(&format!("M{left:.1} {:.1}V{:.1}", top - 2.0, y + 2.0), "base");
            y += GROUP_GAP;
        }
    }

    fn room(&self) -> f64 {
        self.width - 2.0 * PADDING
    }
}

/// The one server whose value is written bold; none where there is nobody to be better than.
fn best(group: &Group, better: Better, servers: usize) -> Option<usize> {
    let values = || (0..servers).filter_map(|index| Some((index, group.value(index)?.median)));
    let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    let (index, value) = match better {
        Better::Less => values().min_by(order),
        Better::More => values().max_by(order),
    }?;
    let is_alone = values().filter(|(_, other)| figure(*other) == figure(value)).count() == 1;
    (is_alone && values().count() > 1).then_some(index)
}

/// From values to places, the same for all bars of a card.
struct Axis {
    left: f64,
    /// Points for one unit of the value.
    scale: f64,
}

impl Axis {
    fn of(panel: &Panel, servers: usize, left: f64, room: f64) -> Self {
        let values = || {
            panel
                .groups
                .iter()
                .flat_map(move |group| (0..servers).filter_map(|index| group.value(index)))
        };
        let most = values().map(|value| value.most.max(value.median)).fold(0.0, f64::max);
        let text = |median: f64| width(&figure(median), VALUE.size * BOLD);
        let widest = values().map(|value| text(value.median)).fold(0.0, f64::max);
        let bars = (room - widest - VALUE_GAP).max(0.0);
        Self { left, scale: if most > 0.0 { bars / most } else { 0.0 } }
    }

    fn bar(
        &self,
        paper: &mut Paper,
        y: f64,
        group: &Group,
        index: usize,
        server: &str,
        is_best: bool,
    ) {
        let base = y + BAR - 3.0;
        let Some(value) = group.value(index) else {
            paper.text(self.left + VALUE_GAP, base, ABSENT, "not measured");
            return;
        };
        let length = match value.median > 0.0 {
            true => (value.median * self.scale).max(SLIVER),
            false => 0.0,
        };
        let figures = figure(value.median);
        let told = format!("{server}: {}", value.told());
        paper.rectangle([self.left, y, length, BAR], 2.0, &colour(index), Some(&told));
        let (least, most) =
            (self.left + value.least * self.scale, self.left + value.most * self.scale);
        let end = most.max(self.left + length);
        if most - least >= 2.0 {
            let (middle, up, down) = (y + BAR / 2.0, y + BAR / 2.0 - 3.5, y + BAR / 2.0 + 3.5);
            let path = format!(
                "M{least:.1} {middle:.1}H{most:.1}M{least:.1} {up:.1}V{down:.1}M{most:.1} \
                 {up:.1}V{down:.1}"
            );
            paper.path(&path, "whisker");
        }
        paper.text(end + VALUE_GAP, base, Face { bold: is_best, ..VALUE }, &figures);
    }
}

fn colour(server: usize) -> String {
    format!("s{}", server % COLOURS)
}
