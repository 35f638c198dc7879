//! Listing repositories: `_catalog` in the form that registry:2 gave it, which no specification
//! has.

use crate::harness::{Server, Setup};
use crate::repository::{Repository, strings};

const NAMES: [&str; 6] = ["a", "a-b/c", "a/b", "a/b/c", "b", "team/app.web"];

fn with_repositories(server: &Server) {
    for name in NAMES.iter().rev() {
        Repository::new(server, name).push_named("v1");
    }
}

fn page(server: &Server, target: &str) -> (Vec<String>, Option<String>) {
    let response = server.get(target).expect(200);
    let link = response.header("Link").map(|link| {
        let (target, relation) = link.split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"");
        target.strip_prefix('<').unwrap().to_owned()
    });
    (strings(&response.json()["repositories"]), link)
}

#[test]
fn an_empty_registry_has_an_empty_catalog() {
    assert_eq!(page(&Server::start(), "/v2/_catalog"), (vec![], None));
}

#[test]
fn all_repositories_are_listed_once() {
    let server = Server::start();
    with_repositories(&server);
    let (mut names, link) = page(&server, "/v2/_catalog");
    names.sort();
    assert_eq!((names.as_slice(), link), (NAMES.map(str::to_owned).as_slice(), None));
}

#[test]
fn pages_lead_through_all_repositories() {
    let server = Server::start();
    with_repositories(&server);
    let (whole, _) = page(&server, "/v2/_catalog");
    for n in 1..8 {
        let mut all = Vec::new();
        let mut next = Some(format!("/v2/_catalog?n={n}"));
        while let Some(target) = next.take() {
            let (names, link) = page(&server, &target);
            assert!(!names.is_empty() && names.len() <= n, "{target}: {names:?}");
            all.extend(names);
            next = link;
        }
        assert_eq!(all, whole, "the same order in pages of {n}");
    }
}

#[test]
fn last_is_where_the_page_before_ended() {
    let server = Server::start();
    with_repositories(&server);
    let (whole, _) = page(&server, "/v2/_catalog");
    for (index, last) in whole.iter().enumerate() {
        assert_eq!(page(&server, &format!("/v2/_catalog?last={last}")).0, whole[index + 1..]);
    }
}

#[test]
fn repositories_without_manifests_are_not_listed() {
    let server = Server::start();
    let repository = Repository::new(&server, "only/blobs");
    repository.push(b"a blob");
    repository.start_upload();
    assert_eq!(page(&server, "/v2/_catalog").0, [""; 0]);
}

#[test]
fn a_number_that_is_none_is_refused() {
    let server = Server::start();
    for n in ["-1", "x"] {
        server.get(format!("/v2/_catalog?n={n}")).refused(400, "PAGINATION_NUMBER_INVALID");
    }
}

#[test]
fn a_page_holds_a_hundred_unless_told_otherwise() {
    let server = Setup::new().arguments(["--allow-sparse"]).start();
    let (_, manifest) = crate::content::image(crate::content::Algorithm::Sha256, "many");
    for i in 0..120 {
        Repository::new(&server, &format!("r{i:03}")).put("v1", &manifest).expect(201);
    }
    let (names, link) = page(&server, "/v2/_catalog");
    assert_eq!(names.len(), 100);
    let (rest, link) = page(&server, &link.expect("a link to the rest"));
    assert_eq!((rest.len(), link), (20, None));
    assert_eq!(page(&server, "/v2/_catalog?n=1000").0.len(), 120);
}
