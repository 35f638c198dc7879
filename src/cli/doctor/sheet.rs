//! What the checks found, as a person reads it: a line for what is well, and for each fault what it is,
//! where, and what to do. Draws only; looks at nothing.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use serde::{Serialize, Serializer};

use crate::setup::examination::Examined;
use crate::setup::{Finding, Level};

/// How the text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether it may have colours.
    pub has_colours: bool,
    /// Where lines are broken; nowhere, if another program reads them.
    pub width: Option<usize>,
}

impl Look {
    /// As it suits what stdout is.
    pub fn of_stdout() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        let columns = || rustix::termios::tcgetwinsize(&out).map(|it| usize::from(it.ws_col)).ok();
        Self {
            has_colours: is_terminal && !is_plain,
            width: is_terminal.then(|| columns().unwrap_or(0)).filter(|it| *it >= WIDTH_MIN),
        }
    }
}

/// Below this, breaking lines makes nothing clearer.
const WIDTH_MIN: usize = 50;
/// The widest that text is pleasant to read.
const WIDTH_MAX: usize = 110;

/// All findings.
#[derive(Debug)]
pub struct Sheet {
    /// What each check found.
    pub examined: Vec<Examined>,
    /// How the text looks.
    pub look: Look,
}

impl Sheet {
    /// The faults that are left.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.examined.iter().flat_map(Examined::faults)
    }

    /// The last line: what there is in all, and what to do now.
    fn sum(&self) -> String {
        let count = |level| {
            let all = self.examined.iter().flat_map(|it| &it.findings);
            all.filter(|it| it.level == level).count()
        };
        let (faults, notes) = (count(Level::Fault), count(Level::Note));
        let mended = self.examined.iter().map(|it| it.mended.len()).sum();
        let parts = [
            (faults, plural(faults, "fault", "faults")),
            (mended, format!("{mended} mended")),
            (notes, plural(notes, "note", "notes")),
        ];
        let said: Vec<_> = parts.into_iter().filter(|it| it.0 > 0).map(|it| it.1).collect();
        let mut sum = match (faults, said.join(", ")) {
            (0, said) if said.is_empty() => "All is well.".to_owned(),
            (0, said) => format!("All is well: {said}."),
            (_, said) => format!("{said}."),
        };
        match self.faults().filter(|it| it.mendable).count() {
            0 => {}
            mendable if mendable == faults => sum.push_str(" `wharf doctor --fix` mends it."),
            mendable => _ = write!(sum, " `wharf doctor --fix` mends {mendable} of them."),
        }
        sum
    }
}

impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.examined.serialize(serializer)
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// One line of the sheet: its sign, the check, and words; what to do stands below.
struct Line {
    sign: Sign,
    check: String,
    words: String,
    fix: Option<String>,
}

#[derive(Clone, Copy)]
enum Sign {
    Level(Level),
    Mended,
}

impl Sign {
    fn word(self) -> &'static str {
        match self {
            Self::Level(Level::Ok) => "ok",
            Self::Level(Level::Note) => "note",
            Self::Level(Level::Fault) => "FAULT",
            Self::Mended => "mended",
        }
    }

    /// Green, yellow, bold red, and green again.
    fn colour(self) -> &'static str {
        match self {
            Self::Level(Level::Note) => "\x1b[33m",
            Self::Level(Level::Fault) => "\x1b[1;31m",
            Self::Level(Level::Ok) | Self::Mended => "\x1b[32m",
        }
    }
}

/// The width of the signs.
const SIGN: usize = 6;

/// The lines of a check: one if all is well, else one for each thing that is not.
fn lines(examined: &Examined) -> Vec<Line> {
    let line = |sign, words, fix| Line { sign, check: examined.check.to_owned(), words, fix };
    let told = |it: &Finding| format!("{}: {}", it.about, it.words);
    let mended = examined.mended.iter().map(|it| line(Sign::Mended, told(it), None));
    let mut lines: Vec<_> = mended.collect();
    let worse = examined.findings.iter().filter(|it| it.level != Level::Ok);
    lines.extend(worse.map(|it| line(Sign::Level(it.level), told(it), it.fix.clone())));
    if lines.is_empty() {
        lines.push(line(Sign::Level(Level::Ok), well(&examined.findings), None));
    }
    lines
}

/// What is well, in one line: what is the same of several things is said once.
fn well(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else { return "nothing to look at".to_owned() };
    let same = findings.iter().filter(|it| it.words == first.words);
    let objects: Vec<_> = same.map(|it| it.about.as_str()).collect();
    let words = format!("{}: {}", objects.join(", "), first.words);
    match findings.len() - objects.len() {
        0 => words,
        more => format!("{words}; {more} more"),
    }
}

/// Checks that could not look for one and the same reason share a line.
fn folded(all: &[Examined]) -> Vec<Line> {
    let mut lines = Vec::new();
    let is_unseen = |it: &&Examined| !it.has_looked && it.level() == Level::Note;
    let unseen: Vec<_> = all.iter().filter(is_unseen).collect();
    for examined in all.iter().filter(|it| !is_unseen(it)) {
        lines.extend(self::lines(examined));
    }
    if let Some(first) = unseen.first() {
        let names: Vec<_> = unseen.iter().map(|it| it.check).collect();
        let words = format!("{}: {}", first.findings[0].words, names.join(", "));
        let (sign, check) = (Sign::Level(Level::Note), "others".to_owned());
        lines.push(Line { sign, check, words, fix: None });
    }
    lines
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = folded(&self.examined);
        let name = lines.iter().map(|it| it.check.len()).max().unwrap_or(0);
        let indent = SIGN + 2 + name + 2;
        let width = self.look.width.map_or(usize::MAX, |it| it.min(WIDTH_MAX));
        let room = width.saturating_sub(indent).max(WIDTH_MIN / 2);
        for Line { sign, check, words, fix } in lines {
            let word = format!("{:SIGN$}", sign.word());
            match self.look.has_colours {
                true => write!(f, "{}{word}\x1b[0m", sign.colour())?,
                false => f.write_str(&word)?,
            }
            let mut text = broken(&words, room);
            text.extend(fix.iter().flat_map(|fix| broken(&format!("fix: {fix}"), room)));
            let below = format!("\n{:indent$}", "");
            writeln!(f, "  {check:name$}  {}", text.join(&below))?;
        }
        writeln!(f, "\n{}", self.sum())
    }
}

/// A text in lines of at most `room` characters; a word that is longer stands alone.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for paragraph in text.lines() {
        for word in paragraph.split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.push(String::new());
    }
    lines.pop_if(|line| line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { has_colours: false, width: None };

    fn examined(check: &'static str, findings: Vec<Finding>) -> Examined {
        Examined { check, findings, mended: Vec::new(), has_looked: true }
    }

    fn sheet(look: Look, examined: Vec<Examined>) -> String {
        Sheet { examined, look }.to_string()
    }

    #[test]
    fn what_is_well_is_a_line_and_what_is_not_says_what_to_do() {
        let hosts = vec![
            Finding::ok("worker", "as it should be"),
            Finding::fault("control-plane", "hosts.toml is missing").mended_by("write it"),
        ];
        let text = sheet(
            PLAIN,
            vec![
                examined("engine", vec![Finding::ok("podman", "answers")]),
                examined("nodes", vec![Finding::ok("a", "runs"), Finding::ok("b", "runs")]),
                examined("hosts-toml", hosts),
                examined("kind", vec![Finding::note("kind", "is old").left_to_you("update it")]),
                examined("pods", vec![]),
            ],
        );
        let expected = "\
ok      engine      podman: answers
ok      nodes       a, b: runs
FAULT   hosts-toml  control-plane: hosts.toml is missing
                    fix: write it
note    kind        kind: is old
                    fix: update it
ok      pods        nothing to look at

1 fault, 1 note. `wharf doctor --fix` mends it.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_mended_is_said() {
        let mended = vec![Finding::fault("worker", "does not run").mended_by("start it")];
        let found = vec![Finding::ok("worker", "runs")];
        let text = sheet(PLAIN, vec![Examined { mended, ..examined("nodes", found) }]);
        assert_eq!(text, "mended  nodes  worker: does not run\n\nAll is well: 1 mended.\n");
    }

    #[test]
    fn only_what_can_be_mended_is_promised() {
        let faults = vec![
            Finding::fault("a", "x").mended_by("y"),
            Finding::fault("b", "x").left_to_you("z"),
        ];
        let text = sheet(PLAIN, vec![examined("one", faults)]);
        assert!(text.ends_with("2 faults. `wharf doctor --fix` mends 1 of them.\n"), "{text}");
        let text = sheet(PLAIN, vec![examined("one", vec![Finding::fault("b", "x")])]);
        assert!(text.ends_with("\n1 fault.\n"), "{text}");
    }

    #[test]
    fn a_terminal_has_colours_and_lines_that_fit() {
        let look = Look { has_colours: true, width: Some(50) };
        let words = "a sentence that is longer than one line of a terminal is broken between words";
        let text = sheet(look, vec![examined("one", vec![Finding::fault("it", words)])]);
        assert!(text.starts_with("\x1b[1;31mFAULT \x1b[0m  one  it: a sentence"), "{text}");
        let plain = text.replace("\x1b[1;31m", "").replace("\x1b[0m", "");
        assert!(plain.lines().all(|line| line.chars().count() <= 50), "{plain}");
        assert!(plain.lines().nth(1).unwrap().starts_with("             "), "{plain}");
    }

    #[test]
    fn checks_that_could_not_look_share_a_line() {
        let unseen = |check| Examined {
            has_looked: false,
            ..examined(check, vec![Finding::note("this check", "not looked at")])
        };
        let away = examined("engine", vec![Finding::fault("podman", "does not answer")]);
        let text = sheet(PLAIN, vec![away, unseen("network"), unseen("nodes")]);
        assert!(text.contains("note    others  not looked at: network, nodes\n"), "{text}");
    }

    #[test]
    fn a_long_word_stands_alone_and_lines_stay_lines() {
        assert_eq!(broken("a longlonglong b c", 6), ["a", "longlonglong", "b c"]);
        assert_eq!(broken("a b\nc", 80), ["a b", "c"]);
    }
}
