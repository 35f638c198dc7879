//! How long does it take to list all tags of a repository, or all repositories? Page by page, as a
//! client does that follows `Link`, with the pages that the server gives.
//!
//! It refuses a list that is not whole: the number of names has to be the one that was stored.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use wharf_oci::RepositoryName;

use crate::connection::{SILENCE_MAX, render};
use crate::{LoadError, Measurement, Operation, ServerProcess, Target};

/// Names asked for with each page.
const PAGE: usize = 1000;

/// A walk through a whole list.
#[derive(Debug, Clone)]
pub struct Lists {
    /// The registry.
    pub target: Target,
    /// The repository whose tags are listed; the repositories when there is none.
    pub name: Option<RepositoryName>,
    /// Names that there are.
    pub expected: usize,
    /// The most time this may take.
    pub time_max: Duration,
}

impl Lists {
    /// Walks once. The latency is that of the pages.
    ///
    /// # Errors
    /// When a page does not come, or the names are not as many as they should be.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let (operation, mut path) = match &self.name {
            Some(name) => (Operation::ListTags, format!("/v2/{name}/tags/list?n={PAGE}")),
            None => (Operation::Catalog, format!("/v2/_catalog?n={PAGE}")),
        };
        let first = path.clone();
        let watch = server.map(ServerProcess::watch).transpose()?;
        let started = Instant::now();
        let mut pages = Vec::new();
        loop {
            let page = Page::get(&self.target, &path)?;
            let next = page.next.clone();
            pages.push(page);
            match next {
                Some(_) if started.elapsed() > self.time_max => {
                    return Err(LoadError::Overtime { limit: self.time_max });
                }
                Some(next) => path = next,
                None => break,
            }
        }
        let time = started.elapsed();
        let usage = watch.map(crate::server::Watch::end).transpose()?;
        let found = pages.iter().map(Page::names).sum();
        if found != self.expected {
            return Err(LoadError::List { request: first, found, expected: self.expected });
        }
        let mut measured = Measurement::new(label, operation, 1, time);
        measured.requests = Some(pages.len() as u64);
        measured.stored = Some(found as u64);
        Ok(measured.with_usage(usage))
    }
}

/// One answer.
struct Page {
    body: Vec<u8>,
    next: Option<String>,
}

impl Page {
    /// Asks on a connection that ends with the answer, so that where it ends needs no knowing.
    fn get(target: &Target, path: &str) -> Result<Self, LoadError> {
        let request = format!("GET {path}");
        let ask = || {
            let mut stream = TcpStream::connect(target.address())?;
            stream.set_read_timeout(Some(SILENCE_MAX))?;
            let text = render("GET", path, target.host(), "Connection: close\r\n");
            stream.write_all(text.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer =
            ask().map_err(|source| LoadError::Connection { request: request.clone(), source })?;
        Self::parse(&answer).ok_or_else(|| LoadError::Status {
            request,
            status: status(&answer),
            expected: 200,
            body: String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned(),
        })
    }

    /// `None` when this is no whole 200.
    fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&answer[..end]).ok()?;
        if status(answer) != 200 {
            return None;
        }
        let field = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value.trim()))
        };
        let body = &answer[end + 4..];
        let is_chunked = field("transfer-encoding").is_some();
        let body = if is_chunked { joined(body)? } else { body.to_vec() };
        let next = field("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
        let next = next.map(|(target, _)| match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned(),
            None => target.to_owned(),
        });
        Some(Self { body, next })
    }

    fn names(&self) -> usize {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        ["tags", "repositories"]
            .iter()
            .find_map(|field| value.get(field)?.as_array())
            .map_or(0, Vec::len)
    }
}

fn status(answer: &[u8]) -> u16 {
    let text = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    text.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The chunks of a body (RFC 9112, section 7.1) as one piece.
fn joined(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_is() {
        let answer =
            b"HTTP/1.1 200 OK\r\nLink: <http://a:1/v2/x/tags/list?last=b&n=2>; rel=\"next\"\r\n\
            Transfer-Encoding: chunked\r\n\r\nc\r\n{\"tags\":[\"a\"\r\n6\r\n,\"b\"]}\r\n0\r\n\r\n";
        let page = Page::parse(answer).unwrap();
        assert_eq!(page.next.as_deref(), Some("/v2/x/tags/list?last=b&n=2"));
        assert_eq!(page.names(), 2);
        let last = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{\"repositories\":[\"a\"]}";
        let last = Page::parse(last).unwrap();
        assert_eq!((last.names(), last.next), (1, None));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        assert!(Page::parse(b"HTTP/1.1 404 Not Found\r\n\r\n{}").is_none());
        let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{";
        assert!(Page::parse(cut).is_none());
    }
}
