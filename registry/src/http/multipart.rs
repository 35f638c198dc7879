//! `multipart/byteranges` (RFC 9110, section 14.6): several ranges in one answer, as clients that
//! read parts of zstd:chunked layers ask for them, by the hundred.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

use super::body::Piece;
use super::location::visible;

/// A body of several ranges, and its media type.
pub(super) struct Multipart {
    pub(super) media_type: HeaderValue,
    pub(super) pieces: VecDeque<Piece>,
    pub(super) length: u64,
}

impl Multipart {
    /// The ranges of content of `total` bytes, in the order given; none of them empty.
    pub(super) fn new(ranges: &[Range<u64>], total: u64) -> Self {
        let boundary = boundary();
        let mut pieces = VecDeque::with_capacity(2 * ranges.len() + 1);
        let mut length = 0;
        for (index, range) in ranges.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let last = range.end - 1;
            let head = format!(
                "{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {}-{last}/{total}\r\n\r\n",
                range.start
            );
            length += head.len() as u64 + (range.end - range.start);
            pieces.push_back(Piece::Text(Bytes::from(head)));
            pieces.push_back(Piece::Range(range.clone()));
        }
        let end = format!("\r\n--{boundary}--\r\n");
        length += end.len() as u64;
        pieces.push_back(Piece::Text(Bytes::from(end)));
        let media_type = visible(format!("multipart/byteranges; boundary={boundary}"));
        Self { media_type, pieces, length }
    }
}

/// A boundary that whoever made the content could not guess and put into it.
fn boundary() -> String {
    let half = || RandomState::new().hash_one(0u8);
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_its_head_and_the_length_is_exact() {
        let multipart = Multipart::new(&[0..2, 5..6], 10);
        let media_type = multipart.media_type.to_str().unwrap();
        let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let content = b"0123456789";
        let body: Vec<u8> = multipart
            .pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Text(text) => text.to_vec(),
                Piece::Range(range) => content[range.start as usize..range.end as usize].to_vec(),
            })
            .collect();
        assert_eq!(body.len() as u64, multipart.length);
        let expected = format!(
            "--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes \
             0-1/10\r\n\r\n01\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes 5-5/10\r\n\r\n5\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn no_two_boundaries_are_alike() {
        assert_ne!(boundary(), boundary());
    }
}
