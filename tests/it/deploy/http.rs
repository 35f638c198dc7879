//! HTTP/1.1 from a server's side, as far as kubectl needs it: requests with their bodies, answers with
//! a length, and answers that go on until the other side has heard enough. Knows nothing of Kubernetes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::Value;

/// A request that came.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    query: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is answered.
pub(super) enum Answer {
    /// A value, with its status.
    Json(u16, Value),
    /// A text.
    Text(String),
    /// Bytes of another type.
    Bytes(&'static str, Vec<u8>),
    /// Values, one a line, and then silence until the other side goes.
    Watch(Vec<Value>),
}

impl Request {
    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: decoded(path),
            query: query.split('&').filter_map(|it| it.split_once('=')).map(pair).collect(),
            body: Vec::new(),
        };
        let mut length = 0;
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        from.take(length).read_to_end(&mut request.body)?;
        Ok(Some(request))
    }
}

fn pair((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), decoded(value))
}

/// Percent-encoding taken back.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).unwrap()
}

/// Answers everybody on a port of the loopback, for as long as this process runs.
pub(super) fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // A client that goes away in the middle is its own affair.
            std::thread::spawn(move || _ = converse(&stream, &*answer));
        }
    });
    address
}

fn converse(stream: &TcpStream, answer: &dyn Fn(&Request) -> Answer) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(stream), stream);
    while let Some(request) = Request::read(&mut from)? {
        let (status, kind, body) = match answer(&request) {
            Answer::Json(status, value) => (status, "application/json", value.to_string().into()),
            Answer::Text(text) => (200, "text/plain", text.into_bytes()),
            Answer::Bytes(kind, bytes) => (200, kind, bytes),
            Answer::Watch(values) => return watch(&values, &mut from, &mut to),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        to.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

fn watch(values: &[Value], from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    to.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    for value in values {
        let line = format!("{value}\n");
        to.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes())?;
    }
    to.flush()?;
    // Ends when the client does.
    io::copy(from, &mut io::sink()).map(drop)
}
