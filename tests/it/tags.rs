//! Listing tags (end-8a, end-8b): order, pages, and links to the next page.

use crate::content::{Algorithm, image};
use crate::harness::{Server, Setup};
use crate::repository::{Repository, strings};

const NAME: &str = "library/tags";
const TAGS: [&str; 7] = ["1.0", "1.10", "1.2", "A", "_x", "a", "b.c-d_e"];

/// A server whose repository has `TAGS`, given in another order; byte order is the order of `TAGS`.
fn with_tags(server: &Server) -> Repository<'_> {
    let repository = Repository::new(server, NAME);
    let (blobs, manifest) = image(Algorithm::Sha256, "tags");
    for tag in ["b.c-d_e", "A", "1.2", "a", "_x", "1.0", "1.10"] {
        repository.push_image(tag, &blobs, &manifest);
    }
    repository
}

/// A page: its tags, and the target of its Link.
#[track_caller]
fn page(server: &Server, target: &str) -> (Vec<String>, Option<String>) {
    let response = server.get(target).expect(200);
    let link = response.header("Link").map(|link| {
        let (target, relation) = link.split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"", "{link}");
        target.strip_prefix('<').unwrap().to_owned()
    });
    let body = response.json();
    assert_eq!(body["name"], NAME);
    (strings(&body["tags"]), link)
}

#[test]
fn all_tags_come_in_byte_order() {
    let server = Server::start();
    let repository = with_tags(&server);
    let response = server.get(repository.tags_path()).expect(200);
    assert!(response.the("Content-Type").starts_with("application/json"));
    assert_eq!(page(&server, &repository.tags_path()), (TAGS.map(str::to_owned).to_vec(), None));
}

#[test]
fn n_is_the_most_that_comes() {
    let server = Server::start();
    let repository = with_tags(&server);
    for n in 1..TAGS.len() + 3 {
        let (tags, link) = page(&server, &format!("{}?n={n}", repository.tags_path()));
        assert_eq!(tags, TAGS[..n.min(TAGS.len())]);
        assert_eq!(link.is_some(), n < TAGS.len(), "n={n}: {link:?}");
    }
}

#[test]
fn none_asked_none_given() {
    let server = Server::start();
    let repository = with_tags(&server);
    assert_eq!(page(&server, &format!("{}?n=0", repository.tags_path())), (vec![], None));
}

#[test]
fn last_is_where_the_page_before_ended() {
    let server = Server::start();
    let repository = with_tags(&server);
    for (index, last) in TAGS.iter().enumerate() {
        let (tags, link) = page(&server, &format!("{}?last={last}", repository.tags_path()));
        assert_eq!((tags.as_slice(), link), (&TAGS.map(str::to_owned)[index + 1..], None));
        let (tags, _) = page(&server, &format!("{}?last={last}&n=2", repository.tags_path()));
        assert_eq!(tags, TAGS[index + 1..].iter().take(2).copied().collect::<Vec<_>>());
    }
    // `last` need not exist.
    let (tags, _) = page(&server, &format!("{}?last=1.1", repository.tags_path()));
    assert_eq!(tags, TAGS[1..]);
    let (tags, _) = page(&server, &format!("{}?n=3&last=zzz", repository.tags_path()));
    assert_eq!(tags, [""; 0]);
}

#[test]
fn links_lead_through_all_pages() {
    let server = Server::start();
    let repository = with_tags(&server);
    for n in 1..5 {
        let mut all = Vec::new();
        let mut next = Some(format!("{}?n={n}", repository.tags_path()));
        while let Some(target) = next.take() {
            assert!(target.starts_with('/'), "a relative link: {target}");
            let (tags, link) = page(&server, &target);
            assert!(!tags.is_empty() && tags.len() <= n, "{target}: {tags:?}");
            all.extend(tags);
            next = link;
        }
        assert_eq!(all, TAGS);
    }
}

#[test]
fn a_page_that_ends_with_the_list_has_no_link() {
    let server = Server::start();
    let repository = with_tags(&server);
    let (tags, link) = page(&server, &format!("{}?n=2&last=_x", repository.tags_path()));
    assert_eq!((tags, link), (vec!["a".to_owned(), "b.c-d_e".to_owned()], None));
}

#[test]
fn a_number_that_is_none_is_refused() {
    let server = Server::start();
    let repository = with_tags(&server);
    for n in ["-1", "x", "1.5", "0x10"] {
        let get = server.get(format!("{}?n={n}", repository.tags_path()));
        get.refused(400, "PAGINATION_NUMBER_INVALID");
    }
}

#[test]
fn a_repository_that_is_not_there_has_no_list() {
    let server = Server::start();
    server.get("/v2/no/such/tags/list").refused(404, "NAME_UNKNOWN");
}

#[test]
fn without_tags_the_list_is_empty_not_null() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let digest = repository.push_named("only");
    server.delete(repository.manifest_path("only")).expect(202);
    assert_eq!(repository.tags(), [""; 0]);
    repository.manifest_head(&digest).expect(200);
}

#[test]
fn the_most_that_may_be_asked_is_a_setting() {
    let server = Setup::new().variable("REGISTRY_TAGS_MAXTAGS", "3").start();
    let repository = with_tags(&server);
    let response = server.get(format!("{}?n=5", repository.tags_path())).send();
    match response.status {
        // As registry:2 does, or as much as is allowed and a link to the rest.
        400 => assert_eq!(response.error_code(), "PAGINATION_NUMBER_INVALID"),
        _ => assert_eq!(strings(&response.expect("n=5", 200).json()["tags"]).len(), 3),
    }
    assert_eq!(page(&server, &format!("{}?n=3", repository.tags_path())).0, TAGS[..3]);
}

#[test]
fn tags_may_be_called_like_the_files_that_hold_them() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let (blobs, manifest) = image(Algorithm::Sha256, "like files");
    let mut tags = ["current", "index", "link", "data", "_layers", "_manifests", "sha256", "list"];
    for tag in tags {
        repository.push_image(tag, &blobs, &manifest);
    }
    tags.sort_unstable();
    assert_eq!(repository.tags(), tags);
    for tag in tags {
        assert_eq!(repository.manifest(tag).expect(200).body, manifest.bytes);
        server.delete(repository.manifest_path(tag)).expect(202);
    }
    assert_eq!(repository.tags(), [""; 0]);
}

#[test]
fn hundreds_of_tags_are_listed() {
    let server = Setup::new().arguments(["--page-entries-max", "100"]).start();
    let repository = Repository::new(&server, NAME);
    let (blobs, manifest) = image(Algorithm::Sha256, "hundreds");
    repository.push_image("t0000", &blobs, &manifest);
    let digest = manifest.digest();
    for fifty in 0..6 {
        let tags: Vec<_> = (0..50).map(|i| format!("tag=t{:04}", fifty * 50 + i)).collect();
        repository.put(&format!("{digest}?{}", tags.join("&")), &manifest).expect(201);
    }
    let mut all = Vec::new();
    let mut next = Some(repository.tags_path());
    while let Some(target) = next.take() {
        let (tags, link) = page(&server, &target);
        all.extend(tags);
        next = link;
    }
    assert_eq!(all.len(), 300);
    assert!(all.is_sorted());
}

#[test]
fn a_tag_is_back_when_its_manifest_is() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("stays");
    let (blobs, manifest) = image(Algorithm::Sha256, "lost");
    let digest = repository.push_image("lost", &blobs, &manifest);
    let hex = digest.strip_prefix("sha256:").unwrap().to_owned();
    // As a volume looks of which somebody has deleted a manifest by hand.
    let server = server.restart_after(|root| {
        let revisions = format!("docker/registry/v2/repositories/{NAME}/_manifests/revisions");
        std::fs::remove_dir_all(root.join(revisions).join("sha256").join(&hex)).unwrap();
    });
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.tags(), ["stays"]);
    repository.put(&digest, &manifest).expect(201);
    assert_eq!(repository.tags(), ["lost", "stays"]);
    assert_eq!(repository.manifest("lost").expect(200).body, manifest.bytes);
}
