//! The program that goes into an image: read once, and known to run with nothing around it.
//!
//! A `Program` that exists is an ELF file for Linux that needs no interpreter and no library. It
//! refuses to guess: what kind of file the refused one is, the error says.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

/// The largest program that is packed, in bytes. Debug builds have some hundred megabytes.
const PROGRAM_BYTES_MAX: u64 = 1 << 30;

/// A static Linux program.
#[derive(Debug, Clone)]
pub struct Program {
    pub bytes: Bytes,
    pub architecture: Architecture,
}

/// The processors that Wharf is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

/// Why a file cannot be the program of an image.
#[derive(Debug, Error)]
pub enum ProgramError {
    #[error("cannot read the program {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the program {} has more than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} is {kind}, and an image holds a Linux program", path.display())]
    NotLinux { path: PathBuf, kind: &'static str },
    #[error("{} is a Linux program cut short or damaged", path.display())]
    Damaged { path: PathBuf },
    #[error("{} is a Linux program for a processor other than x86-64 and arm64", path.display())]
    Processor { path: PathBuf },
    #[error(
        "{} is not static: it asks for {needs}, and the image holds nothing but the program",
        path.display()
    )]
    Dynamic { path: PathBuf, needs: String },
}

impl ProgramError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotLinux { .. } => Some(
                "pack a Linux build with --program FILE; `wharf up` on macOS has Podman build the image \
                 from the sources in wharf, and so does `wharf image --print-sources | podman build \
                 -t localhost/wharf -`",
            ),
            Self::Dynamic { .. } => Some(
                "a plain `cargo build --release` in a clone of wharf gives a static program; \
                 elsewhere set RUSTFLAGS='-C target-feature=+crt-static' and pass --target",
            ),
            _ => None,
        }
    }
}

impl Architecture {
    /// Its name in an image's configuration (image spec, "Properties": Go's GOARCH).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The one that this program was built for, if it is one of them.
    pub fn of_this_machine() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl Program {
    /// Reads a program and checks that it can stand alone.
    pub fn read(path: &Path) -> Result<Self, ProgramError> {
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(PROGRAM_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes =
            read().map_err(|source| ProgramError::Read { path: path.to_owned(), source })?;
        if bytes.len() as u64 > PROGRAM_BYTES_MAX {
            let path = path.to_owned();
            return Err(ProgramError::TooLarge { path, limit: PROGRAM_BYTES_MAX });
        }
        let architecture = architecture_of_static_program(path, &bytes)?;
        Ok(Self { bytes: bytes.into(), architecture })
    }
}

fn architecture_of_static_program(path: &Path, bytes: &[u8]) -> Result<Architecture, ProgramError> {
    let path = || path.to_owned();
    let Some(elf) = Elf::of(bytes) else {
        return Err(ProgramError::NotLinux { path: path(), kind: kind_of(bytes) });
    };
    let damaged = || ProgramError::Damaged { path: path() };
    let architecture = match elf.machine().ok_or_else(damaged)? {
        Elf::X86_64 => Architecture::Amd64,
        Elf::AARCH64 => Architecture::Arm64,
        _ => return Err(ProgramError::Processor { path: path() }),
    };
    let dynamic = |needs| ProgramError::Dynamic { path: path(), needs };
    for segment in elf.segments().ok_or_else(damaged)? {
        match segment.kind {
            Elf::INTERPRETER => {
                let name = elf.contents(&segment).ok_or_else(damaged)?;
                let name = String::from_utf8_lossy(name);
                return Err(dynamic(format!("the loader {}", name.trim_end_matches('\0'))));
            }
            // A static program may have a dynamic section, for its own relocation.
            Elf::DYNAMIC => {
                let section = elf.contents(&segment).ok_or_else(damaged)?;
                if section.chunks_exact(16).any(is_needed) {
                    return Err(dynamic("shared libraries".into()));
                }
            }
            _ => {}
        }
    }
    Ok(architecture)
}

/// Whether an entry of a dynamic section names a library (`DT_NEEDED`).
fn is_needed(entry: &[u8]) -> bool {
    entry[..8] == 1_u64.to_le_bytes()
}

/// What a file that is no Linux program is, by its first bytes.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS program",
        [b'M', b'Z', ..] => "a Windows program",
        [b'#', b'!', ..] => "a script",
        [0x7f, b'E', b'L', b'F', ..] => "a program for another system or a 32-bit processor",
        [] => "an empty file",
        _ => "no program",
    }
}

/// A 64-bit little-endian ELF file, as far as it matters here (System V ABI, chapters 4 and 5).
struct Elf<'a>(&'a [u8]);

struct Segment {
    kind: u32,
    offset: u64,
    size: u64,
}

impl<'a> Elf<'a> {
    const X86_64: u16 = 62;
    const AARCH64: u16 = 183;
    const DYNAMIC: u32 = 2;
    const INTERPRETER: u32 = 3;

    /// None if it is something else. Linux programs say "System V" or "Linux".
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let is_linux = matches!(bytes, [0x7f, b'E', b'L', b'F', 2, 1, 1, 0 | 3, ..]);
        is_linux.then_some(Self(bytes))
    }

    fn machine(&self) -> Option<u16> {
        self.number(18).map(u16::from_le_bytes)
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        let table = u64::from_le_bytes(self.number(32)?);
        let entry_size = u16::from_le_bytes(self.number(54)?);
        let count = u16::from_le_bytes(self.number(56)?);
        let segment = |index| {
            let at = table.checked_add(u64::from(entry_size) * u64::from(index))?;
            Some(Segment {
                kind: u32::from_le_bytes(self.number(at)?),
                offset: u64::from_le_bytes(self.number(at.checked_add(8)?)?),
                size: u64::from_le_bytes(self.number(at.checked_add(32)?)?),
            })
        };
        (0..count).map(segment).collect()
    }

    fn contents(&self, segment: &Segment) -> Option<&'a [u8]> {
        let first = usize::try_from(segment.offset).ok()?;
        let size = usize::try_from(segment.size).ok()?;
        self.0.get(first..first.checked_add(size)?)
    }

    fn number<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        self.0.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A program with one segment of the given kind and contents.
    pub fn elf(machine: u16, kind: u32, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        bytes[72] = 120;
        bytes[96] = u8::try_from(contents.len()).unwrap();
        bytes.extend_from_slice(contents);
        bytes
    }

    fn check(bytes: &[u8]) -> Result<Architecture, ProgramError> {
        architecture_of_static_program(Path::new("wharf"), bytes)
    }

    #[test]
    fn the_architecture_is_the_headers() {
        assert_eq!(check(&elf(62, 1, b"code")).unwrap(), Architecture::Amd64);
        assert_eq!(check(&elf(183, 1, b"code")).unwrap(), Architecture::Arm64);
        assert!(matches!(check(&elf(243, 1, b"")), Err(ProgramError::Processor { .. })));
    }

    #[test]
    fn what_needs_a_loader_or_a_library_is_refused() {
        let loader = check(&elf(62, 3, b"/lib64/ld.so\0")).unwrap_err();
        assert!(loader.to_string().contains("the loader /lib64/ld.so,"), "{loader}");
        let mut section = [0; 32];
        assert!(check(&elf(62, 2, &section)).is_ok(), "a static program relocates itself");
        section[16] = 1;
        assert!(matches!(check(&elf(62, 2, &section)), Err(ProgramError::Dynamic { .. })));
    }

    #[test]
    fn other_files_are_named() {
        for (bytes, kind) in [
            (&b"\xcf\xfa\xed\xfe"[..], "a macOS program"),
            (b"MZ", "a Windows program"),
            (b"#!/bin/sh", "a script"),
            (b"", "an empty file"),
            (b"\x7fELF\x01\x01\x01\x00", "a program for another system or a 32-bit processor"),
        ] {
            let error = check(bytes).unwrap_err();
            assert!(error.to_string().contains(kind), "{error}");
            assert!(error.hint().unwrap().contains("--program"));
        }
    }

    #[test]
    fn every_cut_is_damage() {
        let whole = elf(62, 3, b"loader");
        for length in 8..whole.len() {
            assert!(matches!(check(&whole[..length]), Err(ProgramError::Damaged { .. })));
        }
    }
}
