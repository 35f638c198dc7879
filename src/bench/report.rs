//! What is shown of the measurements, and where it is written.

use std::fs;
use std::path::PathBuf;

use wharf_load::Measurement;

use super::BenchError;
use crate::report::Report;

/// In which forms the measurements are wanted.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// All of it as JSON on stdout, instead of the table.
    pub json: bool,
    /// A file for the table in CSV.
    pub csv: Option<PathBuf>,
    /// A file for a drawing in SVG.
    pub plot: Option<PathBuf>,
}

/// Shows measurements in the forms that are wanted.
///
/// # Errors
/// A file or stdout cannot be written.
pub fn show(measured: &[Measurement], options: &ReportOptions) -> Result<(), BenchError> {
    if let Some(path) = &options.csv {
        fs::write(path, csv(measured))
            .map_err(|source| BenchError::Write { path: path.clone(), source })?;
    }
    if let Some(path) = &options.plot {
        return Err(BenchError::NoPlot { path: path.clone() });
    }
    let text: String = match options.json {
        true => {
            serde_json::to_string(measured).map_err(|error| BenchError::Output(error.into()))?
        }
        false => measured.iter().map(|measured| measured.line() + "\n").collect(),
    };
    Report::new(options.json).bytes(text.as_bytes()).map_err(BenchError::Output)
}

fn csv(measured: &[Measurement]) -> String {
    let mut text = "server,operation,clients,seconds\n".to_owned();
    for Measurement { server, operation, clients, seconds, .. } in measured {
        text.push_str(&format!("{server},{},{clients},{seconds}\n", operation.name()));
    }
    text
}
