//! HTTP/1.1 as the test wants it on the wire: a request goes out byte for byte as written, nothing
//! is followed, unpacked or tried again, and an answer is read to its last byte and checked for
//! being well-formed. It knows nothing about registries.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the server may stay silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request that has not been sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Whole(Vec<u8>),
    Chunked(Vec<u8>),
}

impl Request {
    /// A request without headers or body.
    pub(crate) fn new(address: SocketAddr, method: &str, target: String) -> Self {
        Self { address, method: method.to_owned(), target, headers: Vec::new(), body: Body::None }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A body with its Content-Length.
    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(bytes.into());
        self
    }

    /// A body in `Transfer-Encoding: chunked`, so that the server does not know its length.
    pub(crate) fn chunked(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Chunked(bytes.into());
        self
    }

    /// Sends it on a connection of its own, and checks that nothing follows the answer.
    #[track_caller]
    pub(crate) fn send(self) -> Response {
        let method = self.method.clone();
        let request = self.header("Connection", "close");
        let mut connection = Connection::open(request.address);
        let sent = connection.write(&request.to_bytes());
        let answer = connection.receive(&method);
        let response = answer.unwrap_or_else(|error| {
            panic!("{method} {}: no answer: {error}, request: {sent:?}", request.target)
        });
        let rest = connection.rest();
        assert!(
            rest.is_empty(),
            "{method} {}: {} bytes after the answer",
            request.target,
            rest.len()
        );
        response
    }

    /// Sends it and checks the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Response {
        let what = format!("{} {}", self.method, self.target);
        self.send().expect(&what, status)
    }

    /// Sends it and checks status and error code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Response {
        let what = format!("{} {}", self.method, self.target);
        let is_head = self.method == "HEAD";
        let response = self.expect(status);
        if !is_head {
            assert_eq!(response.error_code(), code, "{what}: {response}");
        }
        response
    }

    /// The bytes of the request.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Host")) {
            write!(head, "Host: {}\r\n", self.address).unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let mut bytes = Vec::new();
        match &self.body {
            Body::None if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => {
                head.push_str("Content-Length: 0\r\n");
            }
            Body::None => {}
            Body::Whole(body) => {
                write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
                bytes.clone_from(body);
            }
            Body::Chunked(body) => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                for chunk in body.chunks(64 * 1024) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        head.push_str("\r\n");
        [head.into_bytes(), bytes].concat()
    }
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_write_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Writes bytes as they are. An early answer may end in an error here, and is still to be read.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Sends a request and reads its answer; the connection stays open.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        let sent = self.write(&request.to_bytes());
        let answer = self.receive(&request.method);
        answer.unwrap_or_else(|error| panic!("{}: {error}, request: {sent:?}", request.target))
    }

    /// Reads the answer to a request with this method, interim answers (1xx) left out.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let response = self.receive_any(method)?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// Reads one answer, an interim one too.
    pub(crate) fn receive_any(&mut self, method: &str) -> io::Result<Response> {
        let line = self.line()?;
        let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        let status = rest.and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("not a status line: {line:?}")))?;
        let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(line.clone()))?;
            response.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            response.body = self.body(&response)?;
        }
        Ok(response)
    }

    /// What comes until the server closes; an end by a reset counts as an end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => rest,
        }
    }

    /// The port on this side.
    pub(crate) fn local_port(&self) -> u16 {
        self.stream.get_ref().local_addr().unwrap().port()
    }

    /// Waits until something of the answer is there, and leaves it to be read.
    pub(crate) fn wait_for_bytes(&mut self) {
        assert!(!self.stream.fill_buf().unwrap().is_empty(), "the server hung up");
    }

    /// Reads no more than `length` bytes of a body.
    pub(crate) fn read_some(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let count = self.stream.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(invalid(format!("the server hung up after {line:?}"))),
        }
    }

    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = response.header("Content-Length") {
            let length = length.parse().map_err(|_| invalid(format!("length {length:?}")))?;
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        } else if response.header("Transfer-Encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).map_err(|_| invalid(size))?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// The headers in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its transfer encoding.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header, if it is there; it must not be there twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice: {self}");
        value
    }

    /// A header that must be there, once.
    #[track_caller]
    pub(crate) fn the(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name} in {self}"))
    }

    /// The target that Location names: relative, or absolute on the same server.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self.the("Location");
        match location.strip_prefix("http://") {
            Some(rest) => rest[rest.find('/').unwrap()..].to_owned(),
            None => location.to_owned(),
        }
    }

    /// Checks the status; `what` says what was asked.
    #[track_caller]
    pub(crate) fn expect(self, what: &str, status: u16) -> Self {
        assert_eq!(self.status, status, "{what}: expected {status}, got {self}");
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The code of the first error in the body, which must have the form that the specification
    /// gives to errors (distribution spec, "Error Codes").
    #[track_caller]
    pub(crate) fn error_code(&self) -> String {
        self.error_codes().swap_remove(0)
    }

    /// The codes of all errors in the body.
    #[track_caller]
    pub(crate) fn error_codes(&self) -> Vec<String> {
        let content_type = self.header("Content-Type").unwrap_or_default();
        assert!(content_type.starts_with("application/json"), "not a JSON error: {self}");
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors in {self}"));
        assert!(!errors.is_empty(), "no error in {self}");
        let code = |error: &serde_json::Value| {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{self}");
            error["code"].as_str().unwrap_or_else(|| panic!("no code in {self}")).to_owned()
        };
        errors.iter().map(code).collect()
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.status, self.headers)?;
        let shown = &self.body[..self.body.len().min(600)];
        write!(f, " and {} bytes: {}", self.body.len(), String::from_utf8_lossy(shown))
    }
}
