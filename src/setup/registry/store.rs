//! Where the registry's images lie: in a volume of ours, or where another registry had them. They are
//! worth more than any container, so it is written down before anything else is done, and stays so when
//! the registry is taken down without them.

use super::super::engine::{Container, MountKind};
use super::super::receipt::Made;
use super::super::{SetupError, Site};

/// The folder of the store in the images of registry:2 and of wharf.
pub const ROOT: &str = "/var/lib/registry";

/// The volume, or the folder of the engine's machine, in which the registry of a container has its
/// store; none where that is in nothing but the container.
pub fn of(container: &Container) -> Option<String> {
    let mount = container.mount(root_of(container)).filter(|mount| mount.is_writable)?;
    match mount.kind {
        MountKind::Volume => Some(mount.name.clone()),
        MountKind::Bind => Some(mount.source.clone()),
        MountKind::Other => None,
    }
}

/// The folder of the store in a container.
pub fn root_of(container: &Container) -> &str {
    ["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "WHARF_SERVE_ROOT"]
        .into_iter()
        .find_map(|variable| container.variable(variable))
        .unwrap_or(ROOT)
}

/// Whether it is a folder, not a volume.
pub fn is_folder(store: &str) -> bool {
    store.starts_with('/')
}

/// Where the registry's images are, or will be.
pub fn known(site: &Site) -> String {
    let taken_over = site.receipt.made().into_iter().find_map(|made| match made {
        Made::TakenOver { source } => Some(source),
        _ => None,
    });
    taken_over.unwrap_or_else(|| site.config.volume.clone())
}

/// Writes down that a volume will be made, if it is not there.
///
/// # Errors
/// The engine cannot be asked, or the receipt not be written.
pub fn note_new(site: &Site, store: &str) -> Result<(), SetupError> {
    if is_folder(store) || site.engine.has_volume(store)? {
        return Ok(());
    }
    site.note(Made::Volume { name: store.to_owned() })
}

/// Writes down where the images are, if it is not where they would be by themselves.
///
/// # Errors
/// The receipt cannot be written.
pub fn note_found(site: &Site, store: Option<&str>) -> Result<(), SetupError> {
    match store {
        Some(store) if store != site.config.volume => {
            site.note(Made::TakenOver { source: store.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Removes the images where that is asked for, but never a folder, which was somebody's; else says where
/// they are. `was_ours` is whether the registry that goes was made by the setup.
///
/// # Errors
/// The engine refuses.
pub fn undo(site: &Site, was_ours: bool) -> Result<(), SetupError> {
    let made = site.receipt.made();
    let volumes = made.iter().filter(|it| matches!(it, Made::Volume { .. }));
    for taken_over in made.iter().filter(|it| matches!(it, Made::TakenOver { .. })) {
        remove(site, taken_over)?;
    }
    let own = Made::Volume { name: site.config.volume.clone() };
    // A volume that was there before us goes with the registry that we ran on it, not by its name alone.
    let adopted = was_ours.then_some(&own);
    volumes.filter(|it| !was_ours || **it != own).chain(adopted).try_for_each(|it| remove(site, it))
}

fn remove(site: &Site, made: &Made) -> Result<(), SetupError> {
    let (Made::TakenOver { source: store } | Made::Volume { name: store }) = made else {
        return Ok(());
    };
    let goes = site.config.removal.data;
    if is_folder(store) {
        site.hand().say(format_args!("the folder {store} stays, with images: it was there before"));
        return if goes { site.strike(made) } else { Ok(()) };
    }
    if site.engine.has_volume(store)? {
        if !goes {
            let way = match site.receipt.has(made) {
                true => "`wharf down --data` removes it".to_owned(),
                false => format!(
                    "it was there before, and `{} volume rm {store}` removes it",
                    site.engine.kind().program()
                ),
            };
            site.hand().say(format_args!("the volume {store} stays, with the images: {way}"));
            return Ok(());
        }
        site.engine.act(["volume", "rm", store])?;
    }
    site.strike(made)
}
