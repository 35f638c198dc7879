//! Which of its names an image was asked for by.

use wharf_oci::ImageReference;

use super::engine::Described;
use super::error::FindError;
use super::origin::Origin;

/// The name of an image that was found: the one that was typed, or, where an id or a digest was typed,
/// the only one that it has.
///
/// # Errors
/// It has none, or several.
pub fn name_of(
    typed: &str,
    origin: &Origin,
    image: &Described,
) -> Result<ImageReference, FindError> {
    let meant = match origin {
        Origin::Engine(typed) => typed.parse::<ImageReference>().ok(),
        _ => None,
    };
    if let Some(meant) = meant
        && image.names.iter().any(|name| is_meant(name, &meant))
    {
        return Ok(meant);
    }
    match &image.names[..] {
        [name] => name.parse().map_err(|source| FindError::Name { typed: name.clone(), source }),
        [] => Err(FindError::Unnamed { image: typed.to_owned() }),
        names => Err(FindError::ManyNames { image: typed.to_owned(), names: names.to_vec() }),
    }
}

/// The names of an image that was found which are meant: those that fit what was typed, or, where an id
/// or a file was, all of them. A name that was typed with a registry is meant alone, as it was typed.
///
/// # Errors
/// It has none.
pub fn names_of(
    typed: &str,
    origin: &Origin,
    image: &Described,
) -> Result<Vec<ImageReference>, FindError> {
    let meant = match origin {
        Origin::Engine(typed) => typed.parse::<ImageReference>().ok(),
        _ => None,
    };
    let fits = |name: &&String| meant.as_ref().is_some_and(|meant| is_meant(name, meant));
    let mut names: Vec<_> = image.names.iter().filter(fits).collect();
    if let Some(meant) = meant.filter(|meant| meant.registry.is_some() && !names.is_empty()) {
        return Ok(vec![meant]);
    }
    if names.is_empty() {
        names.extend(&image.names);
    }
    if names.is_empty() {
        return Err(FindError::Unnamed { image: typed.to_owned() });
    }
    let parsed = |name: &&String| {
        name.parse().map_err(|source| FindError::Name { typed: (*name).clone(), source })
    };
    names.iter().map(parsed).collect()
}

/// Whether an image of this full name can be meant by what was typed: an id never is.
fn is_meant(name: &str, typed: &ImageReference) -> bool {
    let Ok(name) = name.parse::<ImageReference>() else { return false };
    let (full, typed_name) = (name.name.as_str(), typed.name.as_str());
    let rest = full.strip_suffix(typed_name);
    let is_end = rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let tag = typed.tag.as_ref().map_or("latest", |tag| tag.as_str());
    is_end && (typed.digest.is_some() || name.tag.is_some_and(|own| own.as_str() == tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(typed: &str, image: &Described) -> Result<String, FindError> {
        Ok(name_of(typed, &Origin::of(typed), image)?.to_string())
    }

    fn named<const N: usize>(names: [&str; N]) -> Described {
        Described { names: names.map(str::to_owned).to_vec(), ..Described::default() }
    }

    #[test]
    fn an_image_goes_by_the_name_that_was_typed() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let with_digest = format!("app@{digest}");
        for (typed, own, expected) in [
            ("app:v1", "localhost/app:v1", "app:v1"),
            ("app", "docker.io/library/app:latest", "app"),
            ("localhost:5000/app:v1", "localhost/app:v1", "localhost:5000/app:v1"),
            ("team/app:v1", "ghcr.io/team/app:v1", "team/app:v1"),
            (&with_digest, "localhost/app:v1", &with_digest),
            // An id that looks like a name is none of the image's names.
            ("0123456789ab", "localhost/app:v1", "localhost/app:v1"),
            ("ap", "localhost/app:v1", "localhost/app:v1"),
        ] {
            assert_eq!(name(typed, &named([own])).unwrap(), expected, "{typed}");
        }
    }

    #[test]
    fn all_names_that_are_meant_are_those_of_an_image() {
        let two = named(["localhost/app:v1", "ghcr.io/me/other:v2"]);
        let names = |typed: &str| -> Vec<String> {
            let names = names_of(typed, &Origin::of(typed), &two).unwrap();
            names.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("app:v1"), ["localhost/app:v1"]);
        assert_eq!(names("0123456789ab"), ["localhost/app:v1", "ghcr.io/me/other:v2"]);
        assert_eq!(names("app.tar"), ["localhost/app:v1", "ghcr.io/me/other:v2"]);
        assert_eq!(names("kind-registry:5000/app:v1"), ["kind-registry:5000/app:v1"]);
        let nameless = names_of("-", &Origin::Input, &named([])).unwrap_err();
        assert!(matches!(nameless, FindError::Unnamed { .. }), "{nameless}");
    }

    #[test]
    fn an_image_without_one_name_needs_a_new_one() {
        let two = named(["localhost/app:v1", "localhost/app:v2"]);
        let error = name("0123456789ab", &two).unwrap_err();
        assert!(matches!(error, FindError::ManyNames { .. }), "{error}");
        let error = name("0123456789ab", &named([])).unwrap_err();
        assert!(matches!(error, FindError::Unnamed { .. }), "{error}");
        // A name that was typed says which of two it is.
        assert_eq!(name("app:v2", &two).unwrap(), "app:v2");
    }
}
