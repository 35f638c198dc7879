//! The image that the demo moves: Wharf's own, or one of the same shape full of noise where the
//! running program cannot be packed.

use std::time::{Duration, Instant};

use crate::cli::image::{ImageError, program};
use crate::image::{Architecture, Image};

/// The size of a generated program, in bytes.
const NOISE_BYTES: usize = 16 << 20;

/// An image for the demo.
#[derive(Debug)]
pub struct Subject {
    /// The image.
    pub image: Image,
    /// Why it is a generated one, if it is.
    pub stand_in: Option<ImageError>,
    /// How long it took to make.
    pub packed_in: Duration,
}

impl Subject {
    /// Packs the running program, or else generates an image.
    pub fn pack() -> Self {
        let began = Instant::now();
        let (image, stand_in) = match program(None) {
            Ok(program) => (Image::of(&program), None),
            Err(reason) => {
                let architecture = Architecture::of_this_machine().unwrap_or(Architecture::Amd64);
                (Image::holding(&noise(NOISE_BYTES), architecture), Some(reason))
            }
        };
        Self { image, stand_in, packed_in: began.elapsed() }
    }
}

/// Bytes that look random and are the same every time (xorshift64, Marsaglia 2003).
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_every_time_and_has_every_byte() {
        let bytes = noise(100_003);
        assert_eq!(bytes, noise(100_003));
        assert_eq!(bytes.len(), 100_003);
        assert!((0..=255).all(|byte| bytes.contains(&byte)));
    }
}
