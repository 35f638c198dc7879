//! The layers of a push as they move: a bar for each that is on its way, where a person watches, and
//! one line for each that has arrived, everywhere. A bar counts what the socket, or the registry
//! itself, took; never what was merely read.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::sync::{self, mpsc::Receiver};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;
use wharf_oci::Digest;
use wharf_pusher::progress::{Event, Events};

use crate::cli::amount::{Bytes, Speed, Time};
use crate::report::Report;

/// Redrawings in a second: as often as an eye follows, and no burden to the push.
const DRAWS_PER_SECOND: u8 = 15;

/// How long the last drawing is waited for, after a push that came to its end.
const DRAWING_MAX: Duration = Duration::from_secs(5);
/// How long it is waited for after one that did not: somebody wants to be gone.
const LEAVING_MAX: Duration = Duration::from_millis(100);
/// In a shorter time a speed says nothing.
const SPEED_TIME_MIN: Duration = Duration::from_millis(250);

const STYLE: &str = "{prefix:.dim}  {bar:24.cyan}  {msg}";

/// Who is shown what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing: nobody watches.
    Nothing,
    /// A line for each layer that has arrived.
    Lines,
    /// Lines, and bars below them for what is on its way.
    Bars,
}

impl Shown {
    /// What is shown of a run with these flags.
    pub fn of(report: &Report, quiet: bool) -> Self {
        match (quiet || report.json(), std::io::stderr().is_terminal()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// Shows events of a push until [`Layers::end`].
#[derive(Debug)]
pub struct Layers {
    events: Events,
    drawn: Option<Receiver<()>>,
}

impl Layers {
    /// Begins to show. Drawing has a thread of its own, so that a slow terminal slows nothing.
    pub fn show(shown: Shown, report: Report) -> Self {
        if shown == Shown::Nothing {
            return Self { events: Events::default(), drawn: None };
        }
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (ended, drawn) = sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut screen = Screen::new(shown, report);
            while let Some(event) = receiver.blocking_recv() {
                screen.take(event);
            }
            screen.clear();
            // Nobody waits any more: it was late.
            _ = ended.send(());
        });
        Self { events: Events::to(sender), drawn: Some(drawn) }
    }

    /// Where the push tells its events.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Waits until everything told so far is shown, and takes the bars away. Whoever still has
    /// [`Events`] by now, as a thread that reads a layer nobody wants any more, is not waited for.
    pub fn end(self, is_whole: bool) {
        drop(self.events);
        let patience = if is_whole { DRAWING_MAX } else { LEAVING_MAX };
        if let Some(drawn) = self.drawn {
            // A thread that failed, or is late, has drawn less: the push is none the worse.
            _ = drawn.recv_timeout(patience);
        }
    }
}

/// What is on the terminal.
struct Screen {
    report: Report,
    bars: Option<MultiProgress>,
    blobs: HashMap<Digest, Blob>,
}

/// A blob on its way.
struct Blob {
    size: u64,
    is_layer: bool,
    began: Instant,
    /// When the first byte of it went.
    sent_since: Option<Instant>,
    /// The bytes that go, once that is known: less than its size if it is compressed.
    goes: Option<u64>,
    bar: Option<ProgressBar>,
    is_done: bool,
}

impl Screen {
    fn new(shown: Shown, report: Report) -> Self {
        let target = || ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bars = (shown == Shown::Bars).then(|| MultiProgress::with_draw_target(target()));
        Self { report, bars, blobs: HashMap::new() }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Found { digest, size, is_layer } => {
                self.blobs.entry(digest).or_insert(Blob {
                    size,
                    is_layer,
                    began: Instant::now(),
                    sent_since: None,
                    goes: None,
                    bar: None,
                    is_done: false,
                });
            }
            Event::Present { digest } => self.done(&digest, |_| "there already".to_owned()),
            Event::Mounted { digest, from } => self.done(&digest, |_| match &from {
                Some(name) => format!("mounted from {name}"),
                None => "mounted from another repository".to_owned(),
            }),
            Event::Compressed { digest, read, written } => {
                let text = |size| {
                    format!("compressing {} of {}, to {}", Bytes(read), Bytes(size), Bytes(written))
                };
                self.moved(&digest, read, None, text);
            }
            Event::Sent { digest, sent, of } => {
                let Some(blob) = self.blobs.get_mut(&digest) else { return };
                let since = blob.sent_since.get_or_insert_with(Instant::now);
                let time = since.elapsed();
                let speed = (time > SPEED_TIME_MIN).then(|| Speed(sent, time).to_string());
                let speed = speed.unwrap_or_default();
                let text = |_| format!("{} of {}  {speed}", Bytes(sent), Bytes(of));
                self.moved(&digest, sent, Some(of), text);
            }
            Event::Stored { digest } => self.done(&digest, |blob| {
                let (took, goes) = (blob.began.elapsed(), blob.goes.unwrap_or(blob.size));
                match goes == blob.size {
                    true => format!("sent in {}", Time(took)),
                    false => format!("sent as {} in {}", Bytes(goes), Time(took)),
                }
            }),
            Event::Retrying { digest, reason } => match digest {
                Some(digest) => self.say(format_args!("{}  again: {reason}", short(&digest))),
                None => self.say(format_args!("again: {reason}")),
            },
            Event::Tagged { .. } => {}
        }
    }

    /// Draws how far a blob is.
    fn moved(
        &mut self,
        digest: &Digest,
        position: u64,
        of: Option<u64>,
        text: impl Fn(u64) -> String,
    ) {
        let Some(blob) = self.blobs.get_mut(digest).filter(|blob| !blob.is_done) else { return };
        blob.goes = of.or(blob.goes);
        let Some(bars) = self.bars.as_ref().filter(|_| blob.is_layer) else { return };
        let bar = blob.bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(blob.size).with_prefix(short(digest)));
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_length(of.unwrap_or(blob.size));
        bar.set_position(position);
        bar.set_message(text(blob.size));
    }

    /// Puts the line of a blob that has arrived above the bars.
    fn done(&mut self, digest: &Digest, how: impl Fn(&Blob) -> String) {
        let Some(blob) = self.blobs.get_mut(digest).filter(|blob| !blob.is_done) else { return };
        blob.is_done = true;
        if let Some(bar) = blob.bar.take() {
            bar.finish_and_clear();
        }
        if blob.is_layer {
            let line = format!("{}  {:>8}  {}", short(digest), Bytes(blob.size), how(blob));
            self.say(line);
        }
    }

    fn say(&self, line: impl fmt::Display) {
        match &self.bars {
            // The bars step aside for the line, and are drawn again below it.
            Some(bars) => bars.suspend(|| self.report.say(line)),
            None => self.report.say(line),
        }
    }

    fn clear(&self) {
        if let Some(bars) = &self.bars {
            // Without a terminal there is nothing to clear.
            _ = bars.clear();
        }
    }
}

/// As much of a digest as Podman shows of one.
fn short(digest: &Digest) -> String {
    format!("{:.12}", digest.hex())
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    #[test]
    fn the_style_is_one() {
        assert!(ProgressStyle::with_template(STYLE).is_ok());
    }

    #[test]
    fn a_blob_is_done_once_and_counted_in_the_form_that_goes() {
        let digest = Digest::of(Algorithm::Sha256, b"layer");
        let mut screen = Screen::new(Shown::Lines, Report::new(false));
        screen.take(Event::Found { digest, size: 100, is_layer: true });
        screen.take(Event::Compressed { digest, read: 100, written: 30 });
        screen.take(Event::Sent { digest, sent: 10, of: 30 });
        assert_eq!(screen.blobs[&digest].goes, Some(30));
        screen.take(Event::Stored { digest });
        assert!(screen.blobs[&digest].is_done);
        // What another image of the same push tells of it changes nothing.
        screen.take(Event::Found { digest, size: 100, is_layer: true });
        screen.take(Event::Present { digest });
        assert!(screen.blobs[&digest].is_done);
    }

    #[test]
    fn the_end_waits_for_what_was_told_and_for_nobody_who_lingers() {
        let layers = Layers::show(Shown::Lines, Report::new(false));
        let digest = Digest::of(Algorithm::Sha256, b"config");
        layers.events().tell(Event::Found { digest, size: 1, is_layer: false });
        layers.end(true);
        // Not for ever, though.
        let layers = Layers::show(Shown::Lines, Report::new(false));
        let kept = layers.events().clone();
        layers.end(false);
        kept.tell(Event::Stored { digest });
    }
}
