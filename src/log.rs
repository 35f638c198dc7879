//! The log: on stderr, as text or JSON, with colours on a terminal alone.
//!
//! Sets up the subscriber once per process; what is logged is decided where it happens.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt as lines;
use tracing_subscriber::layer::SubscriberExt;

/// The target of the lines that are written whatever the level is: where the registry listens, and
/// which settings it took.
pub const ALWAYS: &str = "wharf::start";

/// How much is logged, and in which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// The least important lines that are written.
    pub level: Level,
    /// The form of a line.
    pub format: Format,
}

/// How important a line must be to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Level {
    /// What went wrong on the server's side.
    Error,
    /// And what a person should look at.
    Warn,
    /// And each push and pull.
    #[default]
    Info,
    /// And each step of a request.
    Debug,
    /// And everything else.
    Trace,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Level {
    /// What a level may be, as a person is told.
    pub const FORM: &str = "error, warn, info, debug or trace";

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl Format {
    /// What a format may be, as a person is told.
    pub const FORM: &str = "text or json";
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            // registry:2 has a third form, which is JSON with other field names.
            "json" | "logstash" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Sends what the program logs to stderr from here on. A second call changes nothing.
pub fn start(settings: Settings) {
    // The level is meant for wharf; the libraries below it speak up only when something is wrong.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(settings.level.filter()))
        .with_target("wharf", settings.level.filter())
        .with_target(ALWAYS, LevelFilter::INFO.max(settings.level.filter()));
    // When nobody reads stderr any more, the registry goes on without a log.
    let lines = lines::layer().with_writer(io::stderr).log_internal_errors(false);
    let subscriber = tracing_subscriber::registry().with(targets);
    _ = match settings.format {
        Format::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let lines = lines.with_target(false).with_ansi(colours);
            tracing::subscriber::set_global_default(subscriber.with(lines))
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            tracing::subscriber::set_global_default(subscriber.with(lines.with_span_list(false)))
        }
    };
}
