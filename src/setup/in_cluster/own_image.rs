//! Wharf's own image as what is loaded into nodes: of the running program where that runs on them, else
//! the one that the engine has.

use std::sync::Arc;

use wharf_pusher::source::{ImageSource, saved};

use crate::image::{Image, Program};
use crate::load::Goods;
use crate::load::names::in_pods;
use crate::load::packed::Packed;
use crate::setup::{SetupError, Site};

/// The running program, if it runs on the nodes.
fn running(site: &Site) -> Result<Option<Program>, SetupError> {
    let architecture = site.engine.info()?.architecture;
    let path = std::env::current_exe().ok();
    let program = path.and_then(|path| Program::read(&path).ok());
    Ok(program.filter(|program| program.architecture.as_str() == architecture))
}

/// Whether the engine has to have the image first, as this program does not run there.
///
/// # Errors
/// The engine cannot be asked.
pub fn needs_engine(site: &Site) -> Result<bool, SetupError> {
    Ok(running(site)?.is_none())
}

/// The image, under the name that the setup gives it.
///
/// # Errors
/// The engine does not have it, where it has to.
pub fn goods(site: &Site) -> Result<Goods, SetupError> {
    let name = &site.config.image;
    let source: Arc<dyn ImageSource> = match running(site)? {
        Some(program) => Arc::new(Packed::of(Image::of(&program))),
        None => {
            let typed = name.to_string();
            let program = site.engine.program(saved::arguments(&typed));
            let export = site.hand().runner().stream(&program)?;
            let read = saved::read(&typed, export, |_| true, &std::env::temp_dir());
            Arc::new(read.map_err(|error| SetupError::Broken {
                what: format!("cannot read wharf's own image: {}", crate::failure::told(&error)),
                hint: format!("`{program}` should write it"),
            })?)
        }
    };
    // The name that the manifest writes is enough: nobody else asks for it.
    let names = in_pods(name).into_iter().filter(|full| *full == name.to_string()).collect();
    Ok(Goods { typed: name.to_string(), source, names })
}
