//! A piece of someone else's text, made fit to stand in an error message: short, and with its
//! control characters escaped, so that no message carries a client's line breaks into a log.

/// Longest piece that is shown, in characters.
const SHOWN_MAX: usize = 80;

/// `text` between backticks, escaped, and cut after [`SHOWN_MAX`] characters.
pub(crate) fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(SHOWN_MAX).map_or(text.len(), |(index, _)| index);
    let ellipsis = if end < text.len() { "…" } else { "" };
    format!("`{}{ellipsis}`", text[..end].escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_odd_text_is_tamed() {
        assert_eq!(quoted("a/b"), "`a/b`");
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"é".repeat(81)), format!("`{}…`", "é".repeat(80)));
    }
}
