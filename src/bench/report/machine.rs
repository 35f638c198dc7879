//! The machine on which was measured, as far as it tells of itself. What it does not tell is absent.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;

use serde::Serialize;

/// What a figure is worth nothing without.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Processors that this process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processors: Option<NonZeroUsize>,
    /// Memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The system and its version: `Linux 6.1.0`.
    pub system: String,
}

impl Machine {
    /// Looks at this one.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let name = rustix::system::uname();
        let (system, release) =
            (name.sysname().to_string_lossy(), name.release().to_string_lossy());
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            processors: std::thread::available_parallelism().ok(),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            system: format!("{system} {release}"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, processors, memory_bytes, system } = self;
        if let Some(processor) = processor {
            write!(f, "{processor}, ")?;
        }
        if let Some(processors) = processors {
            let plural = if processors.get() == 1 { "" } else { "s" };
            write!(f, "{processors} processor{plural}, ")?;
        }
        if let Some(bytes) = memory_bytes {
            write!(f, "{:.0} GB, ", *bytes as f64 / 1e9)?;
        }
        f.write_str(system)
    }
}

fn processor(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_line() {
        let machine = Machine {
            processor: processor("processor\t: 0\nmodel name\t: AMD EPYC 9B45\n"),
            processors: NonZeroUsize::new(2),
            memory_bytes: memory_bytes("MemTotal:       8000000 kB\nMemFree: 1 kB\n"),
            system: "Linux 6.1.0".to_owned(),
        };
        assert_eq!(machine.to_string(), "AMD EPYC 9B45, 2 processors, 8 GB, Linux 6.1.0");
        let silent =
            Machine { processor: processor(""), memory_bytes: memory_bytes(""), ..machine };
        assert_eq!(silent.to_string(), "2 processors, Linux 6.1.0");
    }
}
