//! Bytes that look like a program: they compress to about half, as machine code does, since some of its
//! phrases come again and again and others never. Zeros would flatter whoever compresses, and noise
//! whoever does not.

use std::io::{self, Read};

/// Phrases that come again; as many as a gzip window holds twice over.
const PHRASES: usize = 1024;
/// Bytes of a phrase.
const PHRASE_BYTES: usize = 16;

/// A program without end: always the same for one run and number.
pub struct Program {
    words: Words,
    phrases: Vec<[u8; PHRASE_BYTES]>,
    now: [u8; PHRASE_BYTES],
    used: usize,
}

impl Program {
    /// The program of a run with a number.
    pub fn new(run: u64, number: u64) -> Self {
        // Two draws apart, so that neighbouring numbers have nothing in common.
        let mut words = Words(run ^ Words(number).next());
        let phrases = (0..PHRASES).map(|_| words.phrase()).collect();
        Self { words, phrases, now: [0; PHRASE_BYTES], used: PHRASE_BYTES }
    }
}

impl Read for Program {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.used == PHRASE_BYTES {
                let word = self.words.next();
                // Three in four are known.
                let known = word % 16 < 12;
                let index = usize::try_from(word >> 32).unwrap_or(0) % PHRASES;
                self.now = if known { self.phrases[index] } else { self.words.phrase() };
                self.used = 0;
            }
            let step = (PHRASE_BYTES - self.used).min(buffer.len() - filled);
            buffer[filled..filled + step].copy_from_slice(&self.now[self.used..self.used + step]);
            self.used += step;
            filled += step;
        }
        Ok(filled)
    }
}

/// Words without a pattern (splitmix64).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn phrase(&mut self) -> [u8; PHRASE_BYTES] {
        let mut phrase = [0; PHRASE_BYTES];
        phrase[..8].copy_from_slice(&self.next().to_le_bytes());
        phrase[8..].copy_from_slice(&self.next().to_le_bytes());
        phrase
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_compresses_as_a_program_does() {
        let mut bytes = Vec::new();
        Program::new(1, 2).take(1 << 20).read_to_end(&mut bytes).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&bytes).unwrap();
        let ratio = bytes.len() as f64 / gzip.finish().unwrap().len() as f64;
        assert!((1.6..3.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn it_is_the_same_however_it_is_read() {
        let mut whole = vec![0; 10_000];
        Program::new(1, 2).read_exact(&mut whole).unwrap();
        let mut program = Program::new(1, 2);
        for piece in whole.chunks(7) {
            let mut read = vec![0; piece.len()];
            program.read_exact(&mut read).unwrap();
            assert_eq!(read, piece);
        }
    }
}
