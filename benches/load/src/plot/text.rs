//! Text in a picture whose font is not known: how wide it is at most, where it breaks, how a number is
//! written.

/// How wide a text is in a font of this size, in the same unit: as in the widest of the system fonts, so
/// that what fits here fits everywhere.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// The width of a letter in ems.
fn em(letter: char) -> f64 {
    match letter {
        'i' | 'l' | 'j' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.36,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' | '·' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' => 1.0,
        'A'..='Z' => 0.76,
        letter if u32::from(letter) >= 0x1100 => 1.1,
        _ => 0.645,
    }
}

/// The text, or as much of its start as fits, with an ellipsis.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        let mut longer = short.clone();
        longer.push(letter);
        if width(&longer, size) + width("…", size) > room {
            break;
        }
        short = longer;
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// The text in lines that fit, broken between words; a word that is too long by itself is shortened.
pub(super) fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shorten(word, size, room);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// A value as a person reads it: three digits that count, thousands set apart.
#[must_use]
pub fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value == 0.0 => "0".to_owned(),
        1e13.. => format!("{value:.2e}"),
        1e10.. => format!("{} G", grouped(value / 1e9)),
        1e7.. => format!("{} M", figure(value / 1e6)),
        999.5.. => grouped(value),
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        0.9995.. => format!("{value:.2}"),
        0.0995.. => format!("{value:.3}"),
        0.00995.. => format!("{value:.4}"),
        0.000_995.. => format!("{value:.5}"),
        _ => format!("{value:.1e}"),
    }
}

/// A whole number with its thousands set apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (4.871, "4.87"),
            (0.1234, "0.123"),
            (0.012_34, "0.0123"),
            (0.000_012, "1.2e-5"),
            (31.96, "32.0"),
            (99.96, "100"),
            (999.6, "1,000"),
            (78_123.4, "78,123"),
            (1_234_567.0, "1,234,567"),
            (12_345_678.0, "12.3 M"),
            (12_345_678_901.0, "12 G"),
            (2.5e15, "2.50e15"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn lines_fit_and_lose_no_word() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 12.0, 90.0);
        assert!(lines.len() > 2, "{lines:?}");
        assert!(lines.iter().all(|line| width(line, 12.0) <= 90.0), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert!(wrap("  ", 12.0, 90.0).is_empty());
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shorten("short", 12.0, 90.0), "short");
        let short = shorten("a-name-without-end-of-a-server", 12.0, 90.0);
        assert!(short.starts_with("a-name") && short.ends_with('…'), "{short}");
        assert!(width(&short, 12.0) <= 90.0, "{short}");
    }
}
