//! What is shown of the measurements, and where it is written: a table for a person or one JSON document
//! on stdout, CSV and a drawing into files.

mod csv;
mod document;
mod machine;
mod table;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wharf_load::Measurement;
use wharf_load::plot::Chart;
use wharf_load::report::Compared;

use super::BenchError;
use crate::report::Report;
use document::Document;
use machine::Machine;
use table::Terminal;

/// In which forms the measurements are wanted.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// All of it as JSON on stdout, instead of the table.
    pub json: bool,
    /// A file for every measurement in CSV.
    pub csv: Option<PathBuf>,
    /// A file for a drawing in SVG.
    pub plot: Option<PathBuf>,
}

/// Shows measurements in the forms that are wanted.
///
/// # Errors
/// A file or stdout cannot be written.
pub fn show(measured: &[Measurement], options: &ReportOptions) -> Result<(), BenchError> {
    let compared = Compared::of(measured);
    let machine = Machine::read();
    let out = Report::new(options.json);
    let text = match options.json {
        true => json(measured, &compared, &machine)?,
        false => table::render(&compared, terminal()),
    };
    // First, as what took minutes to measure should not be lost to a folder that is not there.
    out.bytes(text.as_bytes()).map_err(BenchError::Output)?;
    if let Some(path) = &options.csv {
        let rows = csv::render(measured).map_err(io::Error::other);
        write(path, &rows.map_err(BenchError::Output)?)?;
    }
    if let Some(path) = &options.plot {
        write(path, chart(&compared, &machine).to_svg().as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
    fs::write(path, bytes).map_err(|source| BenchError::Write { path: path.to_owned(), source })
}

fn json(
    measured: &[Measurement],
    compared: &Compared,
    machine: &Machine,
) -> Result<String, BenchError> {
    let settings: Vec<_> =
        std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
    let document = Document {
        machine,
        ended: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        wharf_version: env!("CARGO_PKG_VERSION"),
        settings: &settings,
        measurements: measured,
        summary: document::summary(compared),
    };
    let text = serde_json::to_string(&document);
    Ok(text.map_err(|error| BenchError::Output(error.into()))? + "\n")
}

fn chart(compared: &Compared, machine: &Machine) -> Chart {
    let title = match &compared.servers[..] {
        [] => "Nothing was measured".to_owned(),
        [server] => format!("What {server} costs"),
        [first, peers @ ..] => format!("{first} against {}", peers.join(", ")),
    };
    let rounds = match compared.rounds {
        0 | 1 => "Each bar is one measurement.".to_owned(),
        rounds => format!(
            "Bars are medians of {rounds} rounds in turn; whiskers go from the least to the most."
        ),
    };
    let version = env!("CARGO_PKG_VERSION");
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = now.split('T').next().unwrap_or_default();
    Chart {
        title,
        subtitle: vec![machine.to_string(), format!("{date}, measured by wharf bench {version}")],
        servers: compared.servers.clone(),
        panels: compared.panels(),
        note: rounds,
    }
}

/// What stdout allows.
fn terminal() -> Terminal {
    let out = io::stdout();
    let width = || rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    let is_terminal = out.is_terminal();
    let wants_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Terminal {
        width: is_terminal.then(width).flatten().filter(|width| *width > 0),
        styled: is_terminal && !wants_plain,
    }
}

#[cfg(test)]
mod tests;
