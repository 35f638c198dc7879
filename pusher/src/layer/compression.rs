//! `Compression`: which form a layer gets, and how hard the machine tries. Levels beyond those of the
//! formats do not exist here.

use std::fmt;
use std::str::FromStr;

use wharf_oci::media_type;

/// The version of the bytes that `compress` makes. To be raised with every change to them, be it of
/// block sizes or of a library: what an older version remembered is then not taken for this one's.
pub(crate) const FORMAT_VERSION: u32 = 1;

const GZIP_LEVEL: u8 = 6;
const GZIP_LEVEL_MAX: u8 = 9;
const ZSTD_LEVEL: u8 = 3;
const ZSTD_LEVEL_MAX: u8 = 22;

/// The form in which layers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are: nothing is computed, and the digests are known before anything is read.
    None,
    /// What every registry and every engine takes.
    Gzip {
        /// From 1, quick, to 9, small.
        level: u8,
    },
    /// Smaller and several times quicker than gzip, at both ends; for engines made since 2020.
    Zstd {
        /// From 1, quick, to 22, small.
        level: u8,
    },
}

/// Why a text names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a compression: use `none`, `gzip`, `gzip:1` to `gzip:{GZIP_LEVEL_MAX}`, `zstd`, \
     or `zstd:1` to `zstd:{ZSTD_LEVEL_MAX}`"
)]
pub struct CompressionError {
    text: String,
}

impl Compression {
    /// gzip at its usual level, 6.
    pub const GZIP: Self = Self::Gzip { level: GZIP_LEVEL };
    /// zstd at its usual level, 3.
    pub const ZSTD: Self = Self::Zstd { level: ZSTD_LEVEL };

    /// The media type of such a layer in an OCI manifest.
    #[must_use]
    pub fn oci_media_type(self) -> &'static str {
        match self {
            Self::None => media_type::OCI_LAYER,
            Self::Gzip { .. } => media_type::OCI_LAYER_GZIP,
            Self::Zstd { .. } => media_type::OCI_LAYER_ZSTD,
        }
    }

    /// The media type of such a layer in a Docker manifest. None for zstd, which Docker's format does
    /// not know: such an image needs an OCI manifest.
    #[must_use]
    pub fn docker_media_type(self) -> Option<&'static str> {
        match self {
            Self::None => Some(media_type::DOCKER_LAYER),
            Self::Gzip { .. } => Some(media_type::DOCKER_LAYER_GZIP),
            Self::Zstd { .. } => None,
        }
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || CompressionError { text: text.chars().take(40).collect() };
        let (format, level) = match text.split_once(':') {
            Some((format, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                (format, Some(digits.parse::<u8>().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
            None => (text, None),
        };
        match (format, level) {
            ("none", None) => Ok(Self::None),
            ("gzip", None) => Ok(Self::GZIP),
            ("gzip", Some(level @ 1..=GZIP_LEVEL_MAX)) => Ok(Self::Gzip { level }),
            ("zstd", None) => Ok(Self::ZSTD),
            ("zstd", Some(level @ 1..=ZSTD_LEVEL_MAX)) => Ok(Self::Zstd { level }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compression_is_read_and_written() {
        for (text, meant) in [
            ("none", Some(Compression::None)),
            ("gzip", Some(Compression::Gzip { level: 6 })),
            ("gzip:1", Some(Compression::Gzip { level: 1 })),
            ("gzip:9", Some(Compression::Gzip { level: 9 })),
            ("zstd", Some(Compression::Zstd { level: 3 })),
            ("zstd:22", Some(Compression::Zstd { level: 22 })),
            ("gzip:0", None),
            ("gzip:10", None),
            ("zstd:23", None),
            ("zstd:+3", None),
            ("zstd:", None),
            ("zstd:999", None),
            ("none:1", None),
            ("GZIP", None),
            ("", None),
        ] {
            let read: Result<Compression, _> = text.parse();
            assert_eq!(read.clone().ok(), meant, "{text}");
            match read {
                Ok(read) => assert_eq!(read.to_string().parse(), Ok(read)),
                Err(error) => assert!(error.to_string().contains(&format!("`{text}`"))),
            }
        }
    }

    #[test]
    fn docker_manifests_hold_no_zstd() {
        assert_eq!(Compression::ZSTD.docker_media_type(), None);
        assert!(Compression::ZSTD.oci_media_type().ends_with("+zstd"));
        assert!(Compression::GZIP.docker_media_type().is_some_and(|it| it.ends_with(".gzip")));
    }
}
