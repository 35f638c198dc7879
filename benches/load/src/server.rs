//! The server's process, looked at from outside: CPU time and private memory from `/proc`.
//!
//! Works on Linux and on processes that this user may see; the children that the server has when it is
//! first looked at (nginx's workers) count as part of it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, sync::Arc};

use crate::LoadError;

/// Time between two looks at the memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// The processes of one server.
#[derive(Debug, Clone)]
pub struct ServerProcess {
    pids: Vec<u32>,
}

/// What the server used between two moments.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time of all its threads, in seconds; exact to 10 ms.
    pub cpu_seconds: f64,
    /// The most private memory (`RssAnon`) seen in a sample, in bytes.
    pub private_bytes_max: u64,
    /// The most resident memory, mapped files included (`VmHWM`), in bytes.
    pub resident_bytes_max: u64,
}

/// A look at a server that is under way; ends with [`Watch::end`].
#[derive(Debug)]
pub struct Watch {
    server: ServerProcess,
    cpu_seconds: f64,
    private_bytes_max: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

impl ServerProcess {
    /// The server with this process id, and its children.
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub fn find(pid: u32) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Process { pid, source };
        Stat::read(pid).map_err(failed)?;
        let mut pids = vec![pid];
        for entry in fs::read_dir("/proc").map_err(failed)?.flatten() {
            let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if Stat::read(child).is_ok_and(|stat| stat.parent == pid) {
                pids.push(child);
            }
        }
        Ok(Self { pids })
    }

    /// Starts to look: from here on CPU time counts, and memory is sampled.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn watch(&self) -> Result<Watch, LoadError> {
        for pid in &self.pids {
            // Starts VmHWM anew. Where that is not allowed it keeps its value since the start.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
        let (ended, private_bytes_max) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let sampler = {
            let (server, ended, most) =
                (self.clone(), ended.clone(), Arc::clone(&private_bytes_max));
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    most.fetch_max(server.memory("RssAnon:"), Ordering::Relaxed);
                    thread::park_timeout(SAMPLE_EVERY);
                }
            })
        };
        let cpu_seconds = self.cpu_seconds()?;
        Ok(Watch { server: self.clone(), cpu_seconds, private_bytes_max, ended, sampler })
    }

    /// CPU seconds since the start of the processes.
    fn cpu_seconds(&self) -> Result<f64, LoadError> {
        let mut ticks = 0;
        for &pid in &self.pids {
            ticks += Stat::read(pid).map_err(|source| LoadError::Process { pid, source })?.ticks;
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// One field of `/proc/PID/status` summed over the processes, in bytes; 0 when they are gone.
    fn memory(&self, field: &str) -> u64 {
        let of = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        self.pids.iter().filter_map(of).sum::<u64>() * 1024
    }
}

impl Watch {
    /// What was used since the start of the watch.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn end(self) -> Result<Usage, LoadError> {
        let cpu_seconds = self.server.cpu_seconds()? - self.cpu_seconds;
        self.ended.store(true, Ordering::Relaxed);
        self.sampler.thread().unpark();
        // The sampler has nothing that could fail; what it saw until now stands in any case.
        let _ = self.sampler.join();
        let resident_bytes_max = self.server.memory("VmHWM:");
        let private_bytes_max = self.private_bytes_max.load(Ordering::Relaxed);
        Ok(Usage { cpu_seconds, private_bytes_max, resident_bytes_max })
    }
}

/// The part of `/proc/PID/stat` that matters here.
struct Stat {
    parent: u32,
    /// User and system time, in clock ticks.
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The program's name stands in brackets and may hold anything, so reading starts behind the last one.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_confuse() {
        let text = "42 (a) b) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 300));
        assert!(Stat::parse("42 (a) S").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let watch = ServerProcess::find(std::process::id()).unwrap().watch().unwrap();
        let started = std::time::Instant::now();
        let held = vec![1_u8; 32 << 20];
        let mut sum = 0_u64;
        while started.elapsed() < Duration::from_millis(200) {
            sum = sum.wrapping_add(held.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }
        std::hint::black_box(sum);
        let usage = watch.end().unwrap();
        assert!(usage.cpu_seconds > 0.03, "{usage:?}");
        assert!(usage.private_bytes_max > 32 << 20, "{usage:?}");
        assert!(usage.resident_bytes_max >= usage.private_bytes_max, "{usage:?}");
    }
}
