//! The SVG itself: elements, escaping, colours. Knows nothing of bars.

use std::fmt::Write as _;

use quick_xml::escape::escape;

/// Colours that stay apart for every kind of colour blindness (after Okabe and Ito), on white and on
/// black; further servers begin anew.
pub(super) const COLOURS: usize = 7;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328}\
.sheet{fill:#fff}.card{fill:#f6f8fa}.base{stroke:#9aa4af;stroke-width:1}\
.whisker{stroke:#1f2328;stroke-opacity:.75;stroke-width:1.25;fill:none}\
.muted{fill:#59636e}.value{font-variant-numeric:tabular-nums}\
.s0{fill:#0072b2}.s1{fill:#e69f00}.s2{fill:#009e73}.s3{fill:#cc79a7}.s4{fill:#56b4e9}.s5{fill:#d55e00}\
.s6{fill:#8c8c8c}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}.sheet{fill:#0d1117}.card{fill:#161b22}.base{stroke:#59636e}\
.whisker{stroke:#f0f6fc}.muted{fill:#9da7b3}\
.s0{fill:#2f8fd8}.s1{fill:#e6a523}.s2{fill:#12a97f}.s3{fill:#d38cb3}.s4{fill:#8ccdf2}.s5{fill:#e06c1a}}";

/// A drawing under way, in points from the upper left corner.
pub(super) struct Paper {
    body: String,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Face {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) class: &'static str,
}

impl Paper {
    /// A sheet of this size; `title` and `description` are read to those who cannot see it.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut body = String::new();
        let _ = write!(
            body,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n\
             <desc>{}</desc>\n<style>{STYLE}</style>\n",
            clean(title),
            clean(description),
        );
        let mut paper = Self { body };
        paper.rectangle([0.0, 0.0, width, height], 0.0, "sheet", None);
        paper
    }

    /// A rectangle at `[x, y, width, height]`; `told` is shown to a pointer that rests on it.
    pub(super) fn rectangle(
        &mut self,
        [x, y, width, height]: [f64; 4],
        radius: f64,
        class: &str,
        told: Option<&str>,
    ) {
        let _ = write!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             rx=\"{radius}\" class=\"{class}\""
        );
        match told {
            Some(told) => {
                let _ = writeln!(self.body, "><title>{}</title></rect>", clean(told));
            }
            None => self.body.push_str("/>\n"),
        }
    }

    /// Lines from point to point, without a lift of the pen but where `M` says so.
    pub(super) fn path(&mut self, path: &str, class: &str) {
        let _ = writeln!(self.body, "<path d=\"{path}\" class=\"{class}\"/>");
    }

    /// A text whose base line begins here.
    pub(super) fn text(&mut self, x: f64, y: f64, face: Face, text: &str) {
        let Face { size, bold, class } = face;
        let weight = if bold { " font-weight=\"600\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\"{weight} class=\"{class}\">{}</text>",
            clean(text),
        );
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.body.push_str("</svg>\n");
        self.body
    }
}

/// Text for XML: escaped, and without the characters that XML 1.0 knows no way to write.
fn clean(text: &str) -> String {
    let written = |letter: char| match letter {
        '\t' | '\n' | '\r' => ' ',
        letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        letter => letter,
    };
    let text: String = text.chars().map(written).collect();
    escape(text.as_str()).into_owned()
}
