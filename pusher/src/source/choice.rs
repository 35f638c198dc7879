//! Which of several images is meant: by a name as people write it, by a digest, or because there is
//! but one. It guesses nothing: where two fit, it says what there is.

use wharf_oci::Digest;

use super::error::SourceError;

/// What is read where no tag is said.
const DEFAULT_TAG: &str = "latest";

/// An image that could be meant.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What makes it one image: of two candidates with one digest, either will do.
    pub(super) digest: Digest,
    /// The names under which it is there, as they were written.
    pub(super) names: Vec<String>,
}

/// How well a name fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is the very text.
    Exact,
    /// It is the same name, with a host or `library/` before it, or with its tag said.
    Full,
    /// It is no more than the tag.
    Tag,
}

/// The place of the candidate that is meant.
///
/// # Errors
/// There is none, none that fits, or more than one.
pub(super) fn choose(
    place: &str,
    wanted: Option<&str>,
    candidates: &[Candidate],
) -> Result<usize, SourceError> {
    let Some(wanted) = wanted else {
        let all = (0..candidates.len()).collect();
        return one_of(place, candidates, all)?
            .ok_or_else(|| SourceError::Empty { place: place.to_owned() });
    };
    let fits = |index: &usize| candidates[*index].fit(wanted);
    let fitting: Vec<usize> = (0..candidates.len()).filter(|index| fits(index).is_some()).collect();
    let best = fitting.iter().filter_map(fits).min();
    let fitting = fitting.into_iter().filter(|index| fits(index) == best).collect();
    one_of(place, candidates, fitting)?.ok_or_else(|| SourceError::ImageUnknown {
        wanted: wanted.to_owned(),
        place: place.to_owned(),
        found: candidates.iter().map(Candidate::shown).collect(),
    })
}

/// The first of `chosen`, if they are all the same image.
fn one_of(
    place: &str,
    candidates: &[Candidate],
    chosen: Vec<usize>,
) -> Result<Option<usize>, SourceError> {
    let Some((&first, others)) = chosen.split_first() else { return Ok(None) };
    if others.iter().all(|&other| candidates[other].digest == candidates[first].digest) {
        return Ok(Some(first));
    }
    let found = chosen.iter().map(|&index| candidates[index].shown()).collect();
    Err(SourceError::Ambiguous { place: place.to_owned(), found })
}

impl Candidate {
    fn fit(&self, wanted: &str) -> Option<Fit> {
        let digest = wanted.rsplit_once('@').map_or(wanted, |(_, digest)| digest);
        if let Ok(digest) = digest.parse::<Digest>() {
            return (self.digest == digest).then_some(Fit::Exact);
        }
        self.names.iter().filter_map(|name| fit(name, wanted)).min()
    }

    fn shown(&self) -> String {
        match self.names.as_slice() {
            [] => self.digest.to_string(),
            names => names.join(" = "),
        }
    }
}

fn fit(name: &str, wanted: &str) -> Option<Fit> {
    if name == wanted {
        return Some(Fit::Exact);
    }
    let (wanted_name, wanted_tag) = tagged(wanted);
    if name == wanted_tag {
        return Some(Fit::Tag);
    }
    let (name, tag) = tagged(name);
    let is_the_end = name.strip_suffix(wanted_name).is_some_and(|rest| rest.ends_with('/'));
    (tag == wanted_tag && (is_the_end || name == wanted_name)).then_some(Fit::Full)
}

/// A name and its tag; a colon before the last slash belongs to a port.
fn tagged(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, DEFAULT_TAG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::Algorithm;

    fn candidates(names: &[&[&str]]) -> Vec<Candidate> {
        let candidate = |(index, names): (usize, &&[&str])| Candidate {
            digest: Digest::of(Algorithm::Sha256, &[u8::try_from(index).unwrap()]),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        names.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn a_name_is_found_as_people_write_it() {
        let table: [(&str, &[&str], Option<usize>); 11] = [
            ("app", &["localhost/app:latest", "localhost/app:v1"], Some(0)),
            ("app:v1", &["localhost/app:latest", "localhost/app:v1"], Some(1)),
            ("localhost/app:v1", &["localhost/app:v1", "x/localhost/app:v1"], Some(0)),
            ("alpine", &["docker.io/library/alpine:latest"], Some(0)),
            ("v1", &["v2", "v1"], Some(1)),
            ("app:v1", &["v2", "v1"], Some(1)),
            ("app", &["latest"], Some(0)),
            ("host:5000/app", &["host:5000/app:latest"], Some(0)),
            ("app:v1", &["v1", "localhost/app:v1"], Some(1)),
            ("b/app:v1", &["a/app:v1", "c/b/app:v1"], Some(1)),
            ("pp:v1", &["app:v1"], None),
        ];
        for (wanted, names, expected) in table {
            let names: Vec<&[&str]> = names.iter().map(std::slice::from_ref).collect();
            let chosen = choose("the test", Some(wanted), &candidates(&names));
            match expected {
                Some(index) => assert_eq!(chosen.unwrap(), index, "{wanted}"),
                None => {
                    assert!(matches!(chosen, Err(SourceError::ImageUnknown { .. })), "{wanted}")
                }
            }
        }
        let two = candidates(&[&["a/app:v1"], &["b/app:v1"]]);
        let chosen = choose("the test", Some("app:v1"), &two);
        assert!(matches!(chosen, Err(SourceError::Ambiguous { .. })), "{chosen:?}");
    }

    #[test]
    fn without_a_name_there_must_be_one_image() {
        assert!(matches!(choose("x", None, &[]), Err(SourceError::Empty { .. })));
        let mut two = candidates(&[&["a:1"], &["b:2", "b:3"]]);
        let error = choose("the test", None, &two).unwrap_err().to_string();
        assert_eq!(error, "the test has several images, say which: a:1, b:2 = b:3");
        two[1].digest = two[0].digest;
        assert_eq!(choose("x", None, &two).unwrap(), 0);
    }

    #[test]
    fn a_digest_decides_whatever_name_is_before_it() {
        let two = candidates(&[&["a:1"], &[]]);
        let digest = two[1].digest;
        assert_eq!(choose("x", Some(&digest.to_string()), &two).unwrap(), 1);
        assert_eq!(choose("x", Some(&format!("a:1@{digest}")), &two).unwrap(), 1);
        let other = Digest::of(Algorithm::Sha256, b"other");
        let error = choose("the test", Some(&other.to_string()), &two).unwrap_err().to_string();
        assert_eq!(error, format!("{other} is not in the test, which has a:1, {digest}"));
    }
}
