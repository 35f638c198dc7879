//! The table for a person: a block per cell, a line per number, a column per server and per ratio; where
//! that is wider than the terminal, a line per server instead.

use std::fmt::Write as _;

use wharf_load::plot::figure;
use wharf_load::report::{Compared, Comparison};

/// What a terminal allows.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Columns; `None` where the table goes into a file or a pipe.
    pub width: Option<usize>,
    /// Whether letters may be bold and dim.
    pub styled: bool,
}

const GAP: usize = 2;
const INDENT: &str = "  ";

/// The whole table.
pub fn render(compared: &Compared, terminal: Terminal) -> String {
    let pen = Pen { styled: terminal.styled };
    let wide = wide_rows(compared);
    let widths = widths(&wide);
    let width = INDENT.len() + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    match terminal.width {
        Some(room) if width > room => narrow(compared, pen),
        _ => broad(compared, &wide, &widths, pen),
    }
}

/// The head and then a row per comparison.
fn wide_rows(compared: &Compared) -> Vec<Vec<String>> {
    let Compared { servers, rows, .. } = compared;
    let mut head = vec![String::new()];
    head.extend(servers.iter().cloned());
    let peers = servers.iter().skip(1);
    head.extend(peers.map(|peer| format!("{} / {peer}", servers[0])));
    let mut all = vec![head];
    for row in rows {
        let mut cells = vec![row.quantity.title()];
        cells.extend((0..servers.len()).map(|server| value(row, server)));
        cells.extend((1..servers.len()).map(|server| ratio(row, server)));
        all.push(cells);
    }
    all
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

fn broad(compared: &Compared, wide: &[Vec<String>], widths: &[usize], pen: Pen) -> String {
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        format!("{INDENT}{}", line.trim_end())
    };
    let mut text = String::new();
    let mut cell = None;
    for (row, cells) in compared.rows.iter().zip(wide.iter().skip(1)) {
        if cell.replace(row.cell) != Some(row.cell) {
            block(&mut text, row, pen);
            let _ = writeln!(text, "{}", pen.dim(&line(&wide[0])));
        }
        let _ = writeln!(text, "{}", line(cells));
    }
    text
}

fn narrow(compared: &Compared, pen: Pen) -> String {
    let servers = &compared.servers;
    let name = servers.iter().map(|server| server.chars().count()).max().unwrap_or(0);
    let values = compared
        .rows
        .iter()
        .flat_map(|row| (0..servers.len()).map(|server| value(row, server).chars().count()));
    let values = values.max().unwrap_or(0);
    let mut text = String::new();
    let mut cell = None;
    for row in &compared.rows {
        if cell.replace(row.cell) != Some(row.cell) {
            block(&mut text, row, pen);
        }
        let _ = writeln!(text, "{INDENT}{}", row.quantity.title());
        for (index, server) in servers.iter().enumerate() {
            let told = match ratio(row, index) {
                ratio if index == 0 || ratio == ABSENT => String::new(),
                ratio => format!("ratio {ratio}"),
            };
            let value = value(row, index);
            let line = format!("{INDENT}{INDENT}{server:name$}  {value:values$}  {told}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

/// The heading of a cell.
fn block(text: &mut String, row: &Comparison, pen: Pen) {
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", pen.bold(&row.cell.to_string()));
}

const ABSENT: &str = "–";

fn value(row: &Comparison, server: usize) -> String {
    row.spreads[server].map_or_else(|| ABSENT.to_owned(), |spread| spread.told())
}

fn ratio(row: &Comparison, server: usize) -> String {
    let shown = |ratio: wharf_load::report::Ratio| match ratio.median {
        // Two decimals say nothing of a thousandth.
        median if !(0.1..100.0).contains(&median) => figure(median),
        _ => ratio.to_string(),
    };
    row.ratios[server].map_or_else(|| ABSENT.to_owned(), shown)
}

/// Bold and dim, where they are wanted.
#[derive(Debug, Clone, Copy)]
struct Pen {
    styled: bool,
}

impl Pen {
    fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        match self.styled {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_load::{Measurement, Operation};

    use super::*;

    fn compared() -> Compared {
        let pulled = |server: &str, round, seconds| {
            let time = Duration::from_secs_f64(seconds);
            let mut measured = Measurement::new(server, Operation::Pull, 8, time);
            (measured.size, measured.bytes) = (Some(1 << 30), Some(1_000_000_000));
            measured.round = Some(round);
            measured
        };
        Compared::of(&[
            pulled("wharf", 1, 0.2),
            pulled("docker-registry", 1, 0.5),
            pulled("wharf", 2, 0.25),
            pulled("docker-registry", 2, 0.5),
        ])
    }

    #[test]
    fn columns_align_and_have_units() {
        let text = render(&compared(), Terminal { width: None, styled: false });
        assert_eq!(
            text,
            "pull 1 GiB, 8 clients\n\
             \x20                   wharf             docker-registry  wharf / docker-registry\n\
             \x20 throughput, GB/s  4.50 (4.00–5.00)  2.00             2.25 (2.00–2.50)\n"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_a_line_per_server() {
        let text = render(&compared(), Terminal { width: Some(64), styled: false });
        assert!(text.lines().all(|line| line.chars().count() <= 64), "{text}");
        assert!(
            text.contains("docker-registry  2.00              ratio 2.25 (2.00–2.50)"),
            "{text}"
        );
    }

    #[test]
    fn only_a_terminal_gets_bold_letters() {
        let styled = render(&compared(), Terminal { width: Some(200), styled: true });
        assert!(styled.starts_with("\u{1b}[1mpull 1 GiB, 8 clients\u{1b}[0m\n"), "{styled:?}");
        let plain = render(&compared(), Terminal { width: Some(200), styled: false });
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }
}
