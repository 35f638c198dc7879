//! Packs wharf's sources where the program is not for Linux: such a program has its image built of them
//! by an engine, as it cannot be in one itself. A Linux program carries no sources.

#[path = "src/image/sources/pack.rs"]
mod pack;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/image/sources/pack.rs");
    let variable = |name| env::var(name).map_err(io::Error::other);
    if variable("CARGO_CFG_TARGET_OS")? == "linux" {
        return Ok(());
    }
    for path in pack::PATHS {
        println!("cargo::rerun-if-changed={path}");
    }
    let archive = pack::pack(Path::new(&variable("CARGO_MANIFEST_DIR")?))?;
    fs::write(Path::new(&variable("OUT_DIR")?).join("sources.tar.gz"), archive)
}
