//! The report of a run on the command line: which files it is made of, and where its pictures go.
//!
//! It refuses to know what is in them: the tables are the library's.

use std::path::{Path, PathBuf};

use clap::Args;
use wharf_load::LoadError;
use wharf_load::report::Results;
use wharf_load::report::loops::Loops;

/// What a report is made of.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// The measurements, one line of JSON each
    results: PathBuf,
    /// The document around the tables, everything else in place
    template: PathBuf,
    /// The measurements of benches/compare/node.sh
    #[arg(long, value_name = "FILE")]
    loops: Option<PathBuf>,
    /// Draw the pictures into this folder
    #[arg(long)]
    plots: Option<PathBuf>,
    /// A line below the title of each picture
    #[arg(long, default_value = "")]
    subtitle: String,
}

impl ReportArguments {
    /// The template with the tables in it; draws the pictures on the way.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn document(&self) -> Result<String, LoadError> {
        let results = Results::read(&self.results)?;
        let loops = self.loops.as_deref().map(Loops::read).transpose()?.unwrap_or_default();
        let text = std::fs::read_to_string(&self.template).map_err(|source| LoadError::File {
            operation: "read",
            path: self.template.clone(),
            source,
        })?;
        for (name, chart) in
            self.plots.as_ref().map(|_| results.charts(&self.subtitle)).unwrap_or_default()
        {
            let path = self.plots.as_deref().unwrap_or(Path::new("")).join(name);
            std::fs::write(&path, chart.to_svg()).map_err(|source| LoadError::File {
                operation: "write",
                path,
                source,
            })?;
        }
        let behind = format!("{}{}", results.behind(), loops.behind());
        let behind = if behind.is_empty() { "In no row of this run." } else { behind.trim_end() };
        let text = text
            .replace("{{table}}", results.table().trim_end())
            .replace("{{senders}}", results.senders().trim_end())
            .replace("{{pushes}}", loops.pushes().trim_end())
            .replace("{{pulls}}", loops.pulls().trim_end())
            .replace("{{loops}}", loops.loops().trim_end())
            .replace("{{behind}}", behind);
        Ok(text.trim_end().to_owned())
    }
}
