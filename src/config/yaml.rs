//! As much of YAML as the settings of registry:2 are written in: nested `key: value` lines, lists,
//! and the one-line forms `{"enabled": true}` and `[a, b]`, of which JSON is a case.
//!
//! Gives every value with its path and its line. What it does not know (anchors, tags, blocks of
//! text) is refused with the line, never guessed at.

/// One value of a document. A list's items have their index as the last step of the path; an empty
/// map or list is the value `{}` or `[]`, and nothing at all is the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The keys from the top to the value.
    pub path: Vec<String>,
    /// The value, without quotes.
    pub value: String,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// The line, from 1, that is more than this reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUnderstood {
    /// The line, from 1.
    pub line: usize,
}

/// How deep maps and lists may stand inside each other.
const DEPTH_MAX: usize = 16;

/// Reads a document: a map, a list, or a single value, whose path is then empty.
pub fn read(text: &str) -> Result<Vec<Leaf>, NotUnderstood> {
    let whole = text.trim();
    let is_single = !whole.contains('\n') && split_key(whole).is_none() && !is_item(whole);
    if whole.starts_with(['{', '[']) || is_single {
        let mut leaves = Vec::new();
        read_value(whole, &[], 1, &mut leaves)?;
        return Ok(leaves);
    }
    Block::default().read(text)
}

/// A key (or an index) with the column it stands at.
#[derive(Debug)]
struct Step {
    column: usize,
    name: String,
    is_item: bool,
}

/// Reads lines by their indentation.
#[derive(Debug, Default)]
struct Block {
    /// The keys that the next line stands under.
    steps: Vec<Step>,
    /// How many items the list under each path has so far.
    counts: std::collections::HashMap<Vec<String>, usize>,
    /// The line of a key whose value may follow on the next lines.
    open: Option<usize>,
    leaves: Vec<Leaf>,
}

impl Block {
    fn read(mut self, text: &str) -> Result<Vec<Leaf>, NotUnderstood> {
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let content = without_comment(line);
            let rest = content.trim_start_matches(' ');
            if rest.is_empty() || rest == "---" {
                continue;
            }
            if rest.starts_with('\t') {
                return Err(NotUnderstood { line: line_number });
            }
            self.line(rest, content.len() - rest.len(), line_number)?;
        }
        self.close(0, false);
        Ok(self.leaves)
    }

    /// Reads what stands at `column` of a line: any number of `- `, then a key, a value, or both.
    fn line(&mut self, rest: &str, column: usize, line: usize) -> Result<(), NotUnderstood> {
        self.close(column, is_item(rest));
        if self.steps.len() >= DEPTH_MAX {
            return Err(NotUnderstood { line });
        }
        if is_item(rest) {
            let after = rest[1..].trim_start_matches(' ');
            let list = self.path();
            let count = self.counts.entry(list).or_default();
            let name = count.to_string();
            *count += 1;
            self.steps.push(Step { column, name, is_item: true });
            self.open = after.is_empty().then_some(line);
            if after.is_empty() {
                return Ok(());
            }
            if is_item(after) || split_key(after).is_some() {
                return self.line(after, column + rest.len() - after.len(), line);
            }
            return read_value(after, &self.path(), line, &mut self.leaves);
        }
        let (key, value) = split_key(rest).ok_or(NotUnderstood { line })?;
        let name = unquoted(key).ok_or(NotUnderstood { line })?;
        self.steps.push(Step { column, name, is_item: false });
        if value.is_empty() {
            self.open = Some(line);
            return Ok(());
        }
        read_value(value, &self.path(), line, &mut self.leaves)
    }

    /// Leaves every key that a line at `column` does not stand under. A key that nothing followed
    /// has the empty value.
    fn close(&mut self, column: usize, is_item: bool) {
        let under = |step: &Step| {
            step.column < column || (is_item && step.column == column && !step.is_item)
        };
        if let Some(line) = self.open.take()
            && !self.steps.last().is_some_and(under)
        {
            self.leaves.push(Leaf { path: self.path(), value: String::new(), line });
        }
        while self.steps.last().is_some_and(|step| !under(step)) {
            self.steps.pop();
        }
    }

    fn path(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.name.clone()).collect()
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Splits `key: value` or `key:`. A colon inside quotes, braces or a word (`a:5000`) is no end of a
/// key.
fn split_key(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['{', '[']) {
        return None;
    }
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, ':') => {
                let value = &text[at + 1..];
                if value.is_empty() || value.starts_with(' ') {
                    return Some((text[..at].trim_end(), value.trim()));
                }
            }
            _ => {}
        }
    }
    None
}

/// A line without its comment: `#` at the start or after a space, outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '#') if before == ' ' => return line[..at].trim_end(),
            _ => {}
        }
        before = c;
    }
    line.trim_end()
}

/// Reads one value, which may be a map or a list on one line.
fn read_value(
    text: &str,
    path: &[String],
    line: usize,
    leaves: &mut Vec<Leaf>,
) -> Result<(), NotUnderstood> {
    let mut flow = Flow { rest: text, line, leaves };
    flow.value(path, 0, "").ok_or(NotUnderstood { line })?;
    if flow.rest.trim().is_empty() { Ok(()) } else { Err(NotUnderstood { line }) }
}

/// Reads the one-line forms from left to right. `None` means not understood.
#[derive(Debug)]
struct Flow<'a> {
    rest: &'a str,
    line: usize,
    leaves: &'a mut Vec<Leaf>,
}

impl<'a> Flow<'a> {
    /// Reads a value up to one of `ends`, or to the end of the text.
    fn value(&mut self, path: &[String], depth: usize, ends: &str) -> Option<()> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some(open @ ('{' | '[')) if depth < DEPTH_MAX => self.collection(open, path, depth),
            Some('|' | '>' | '&' | '*' | '!' | '%' | '@' | '`' | '{' | '[') => None,
            _ => {
                let value = self.scalar(ends)?;
                self.leaf(path, value);
                Some(())
            }
        }
    }

    fn collection(&mut self, open: char, path: &[String], depth: usize) -> Option<()> {
        let close = if open == '{' { '}' } else { ']' };
        self.rest = &self.rest[1..];
        let mut count = 0;
        loop {
            self.rest = self.rest.trim_start();
            if self.take(close) {
                break;
            }
            let name = if open == '{' { self.key()? } else { count.to_string() };
            let path = [path, &[name]].concat();
            self.value(&path, depth + 1, if open == '{' { ",}" } else { ",]" })?;
            count += 1;
            self.rest = self.rest.trim_start();
            if !self.take(',') && !self.rest.starts_with(close) {
                return None;
            }
        }
        if count == 0 {
            self.leaf(path, format!("{open}{close}"));
        }
        Some(())
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Option<String> {
        let key = self.scalar(":,}")?;
        self.rest = self.rest.trim_start();
        (!key.is_empty() && self.take(':')).then_some(key)
    }

    fn scalar(&mut self, ends: &str) -> Option<String> {
        let end = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => closing_quote(self.rest, quote)?,
            _ => self.rest.find(|c| ends.contains(c)).unwrap_or(self.rest.len()),
        };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        unquoted(text.trim())
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn leaf(&mut self, path: &[String], value: String) {
        self.leaves.push(Leaf { path: path.to_vec(), value, line: self.line });
    }
}

/// Where the text after a closing quote begins.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            // In single quotes, two of them stand for one.
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

/// A scalar without its quotes; `null` and `~` are the empty text.
fn unquoted(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('"') {
        let text = format!("\"{}\"", inner.strip_suffix('"')?);
        return serde_json::from_str(&text).ok();
    }
    if let Some(inner) = text.strip_prefix('\'') {
        return Some(inner.strip_suffix('\'')?.replace("''", "'"));
    }
    Some(if matches!(text, "null" | "~") { String::new() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path=value@line` for each leaf.
    fn leaves(text: &str) -> Result<String, usize> {
        let leaves = read(text).map_err(|not| not.line)?;
        let texts = leaves
            .iter()
            .map(|leaf| format!("{}={}@{}", leaf.path.join("."), leaf.value, leaf.line));
        Ok(texts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_configuration_of_registry_2_is_read() {
        let text = "\
version: 0.1  # the format
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory

  filesystem:
    rootdirectory: /var/lib/registry
  delete: {enabled: true}
  inmemory:
http:
  addr: :5000
  secret: 'it''s # not a comment'
  tls:
    clientcas:
      - /a.pem
      - /b.pem
  headers:
    X-Content-Type-Options: [nosniff]
    Access-Control-Allow-Origin: ['http://ui:8080', \"*\"]
notifications:
  endpoints:
  - name: one
    url: http://one:80/x
    headers: {}
  -
    name: two
";
        assert_eq!(
            leaves(text).unwrap(),
            "version=0.1@1 log.fields.service=registry@4 \
             storage.cache.blobdescriptor=inmemory@7 \
             storage.filesystem.rootdirectory=/var/lib/registry@10 \
             storage.delete.enabled=true@11 storage.inmemory=@12 http.addr=:5000@14 \
             http.secret=it's # not a comment@15 \
             http.tls.clientcas.0=/a.pem@18 http.tls.clientcas.1=/b.pem@19 \
             http.headers.X-Content-Type-Options.0=nosniff@21 \
             http.headers.Access-Control-Allow-Origin.0=http://ui:8080@22 \
             http.headers.Access-Control-Allow-Origin.1=*@22 \
             notifications.endpoints.0.name=one@25 \
             notifications.endpoints.0.url=http://one:80/x@26 \
             notifications.endpoints.0.headers={}@27 \
             notifications.endpoints.1.name=two@29"
        );
    }

    #[test]
    fn values_of_variables_are_read() {
        for (text, read) in [
            ("true", "=true@1"),
            (":5000", "=:5000@1"),
            ("", "=@1"),
            ("\"true\"", "=true@1"),
            ("/var/lib/a b", "=/var/lib/a b@1"),
            (r#"{"enabled":true}"#, "enabled=true@1"),
            ("{enabled: true, age: 168h}", "enabled=true@1 age=168h@1"),
            (
                "{ \"a\" : { \"b\" : [1, 'x, y'] } , c: http://d:1/ }",
                "a.b.0=1@1 a.b.1=x, y@1 c=http://d:1/@1",
            ),
            ("enabled: true\nage: 1h", "enabled=true@1 age=1h@2"),
            ("{\n \"enabled\": true\n}", "enabled=true@1"),
            ("enabled: true", "enabled=true@1"),
            ("{}", "={}@1"),
            ("[\"*\"]", "0=*@1"),
            ("- a\n- b", "0=a@1 1=b@2"),
            ("~", "=@1"),
        ] {
            assert_eq!(leaves(text).as_deref(), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: |\n  text", 2),
            ("a: &anchor", 1),
            ("a: 1\nb: {c: 1", 2),
            ("{\"a\": 1", 1),
            ("a: 1\njust words", 2),
            ("a: 1\n\tb: 2", 2),
            ("a: 'open", 1),
            (&"[".repeat(1000), 1),
            (&"- ".repeat(1000), 1),
        ] {
            assert_eq!(leaves(text), Err(line), "{text}");
        }
    }
}
