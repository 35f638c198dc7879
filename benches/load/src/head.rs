//! The head of an answer, read for the few headers that a load test needs and no further.

use crate::error::HeadFault;

/// The longest head of an answer that is read, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Bytes of body that follow on the wire; 0 where it comes in chunks.
    pub body: u64,
    /// The body comes in chunks.
    pub is_chunked: bool,
    /// Where the next step goes.
    pub location: Option<String>,
    /// The server closes the connection after this answer.
    pub closes: bool,
}

impl Head {
    /// Whether what was asked for is kept elsewhere.
    pub(crate) fn is_redirection(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// Reads a head from the start of `bytes`; the second value is where the body starts. `None` when
    /// the head is not whole yet. `bodiless` says that the request was a HEAD, whose answer announces a
    /// length that does not follow.
    ///
    /// # Errors
    /// When this is no answer, or one whose end cannot be told.
    pub fn parse(bytes: &[u8], bodiless: bool) -> Result<Option<(Self, usize)>, HeadFault> {
        let Some(end) = find_end(bytes) else {
            return if bytes.len() < HEAD_BYTES_MAX { Ok(None) } else { Err(HeadFault::TooLong) };
        };
        let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = lines.next().and_then(parse_status).ok_or(HeadFault::NotHttp)?;
        let mut length = None;
        let mut head = Self { status, body: 0, is_chunked: false, location: None, closes: false };
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                head.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            } else if name.eq_ignore_ascii_case(b"location") {
                head.location = Some(String::from_utf8_lossy(value).into_owned());
            } else if name.eq_ignore_ascii_case(b"connection") {
                head.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        if bodiless || status == 204 || status == 304 {
            head.is_chunked = false;
        } else if !head.is_chunked {
            head.body = length.ok_or(HeadFault::LengthMissing)?;
        }
        Ok(Some((head, end)))
    }
}

/// The position behind the empty line that ends a head.
fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

fn parse_status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_for_what_matters() {
        let created =
            b"HTTP/1.1 201 Created\r\nLocation: /v2/a/blobs/x\r\ncontent-length: 0\r\n\r\n";
        let (head, start) = Head::parse(created, false).unwrap().unwrap();
        assert_eq!((head.status, head.body, start), (201, 0, created.len()));
        assert_eq!(head.location.as_deref(), Some("/v2/a/blobs/x"));
        assert!(!head.closes);

        let closing = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        let (head, start) = Head::parse(closing, false).unwrap().unwrap();
        assert_eq!((head.body, &closing[start..]), (5, &b"hello"[..]));
        assert!(head.closes);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(Head::parse(bytes, true).unwrap().unwrap().0.body, 0);
        assert_eq!(Head::parse(bytes, false).unwrap().unwrap().0.body, 5);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(!Head::parse(chunked, true).unwrap().unwrap().0.is_chunked);
        assert!(Head::parse(chunked, false).unwrap().unwrap().0.is_chunked);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (bytes, found) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Le"[..], Ok(None)),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Err(HeadFault::NotHttp)),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Err(HeadFault::LengthMissing)),
            (&[b'a'; HEAD_BYTES_MAX], Err(HeadFault::TooLong)),
        ] {
            assert_eq!(Head::parse(bytes, false), found);
        }
    }
}
