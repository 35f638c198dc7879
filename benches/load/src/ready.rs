//! How soon after its start does a server answer? Starts it, asks for `/v2/` until that is a 200, and
//! ends it again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::connection::render;
use crate::head::Head;
use crate::{LoadError, Measurement, Operation, Target};

/// A server that takes longer than this has failed.
pub const START_MAX: Duration = Duration::from_secs(30);
/// A server that was asked to end is killed after this.
const END_MAX: Duration = Duration::from_secs(20);
/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_micros(200);

/// Starts `program` and measures the time to its first answer.
///
/// # Errors
/// When it does not start or does not answer within [`START_MAX`].
pub fn measure(
    label: &str,
    target: &Target,
    program: &str,
    arguments: &[String],
) -> Result<Measurement, LoadError> {
    let started = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|source| LoadError::Start { program: program.to_owned(), source })?;
    let answered = wait_for_answer(target, started);
    end(child);
    Ok(Measurement::new(label, Operation::Ready, 1, answered?))
}

fn wait_for_answer(target: &Target, started: Instant) -> Result<Duration, LoadError> {
    while started.elapsed() < START_MAX {
        if answers(target) {
            return Ok(started.elapsed());
        }
        // Any server is measured from outside, and nothing tells when a port begins to listen.
        std::thread::sleep(ASK_EVERY);
    }
    Err(LoadError::Overtime { limit: START_MAX })
}

/// Whether `/v2/` is answered with 200 right now.
fn answers(target: &Target) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(target.address()).ok()?;
        stream.set_read_timeout(Some(START_MAX)).ok()?;
        stream.write_all(render("GET", "/v2/", target.host(), "").as_bytes()).ok()?;
        let mut answer = vec![0; 4096];
        let received = stream.read(&mut answer).ok()?;
        Head::parse(&answer[..received], false).ok()?
    };
    ask().is_some_and(|(head, _)| head.status == 200)
}

/// Asks the process to end, and ends it when it does not.
fn end(mut child: Child) {
    let asked = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    // A process that is gone already has ended, which is all that is wanted here and below.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    while asked.elapsed() < END_MAX {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        // `Child::wait` knows no time limit, and this one may not end. The clock has stopped.
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}
