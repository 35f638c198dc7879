//! The tags of a repository, page by page (end-8).

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use wharf_oci::{Endpoint, Page, RepositoryName, Tag};

use super::Call;
use super::answer::{self, Response};
use super::error::Failure;
use super::location::visible;

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a RepositoryName,
    /// Never null, which breaks clients.
    tags: &'a [Tag],
}

pub(super) async fn list(
    call: &Call<'_>,
    name: RepositoryName,
    page: Page,
) -> Result<Response, Failure> {
    let listing = call.api.registry.tags(&name, &page).await?;
    let response = answer::json(StatusCode::OK, &TagList { name: &name, tags: &listing.items });
    let next = next_page(listing.more, listing.items.len(), listing.items.last());
    let next = next.map(|page| Endpoint::ListTags { name, page });
    Ok(linked(response, next.as_ref()))
}

/// The page after one of `length` entries that ends with `last`, if there is `more`.
pub(super) fn next_page(more: bool, length: usize, last: Option<&impl ToString>) -> Option<Page> {
    let last = last.filter(|_| more)?.to_string();
    Some(Page { n: Some(length), last: Some(last) })
}

/// `response` with a `Link` to the next page: relative, so that it holds behind any proxy.
pub(super) fn linked(mut response: Response, next: Option<&Endpoint>) -> Response {
    if let Some(next) = next {
        let link: HeaderValue = visible(format!("<{}>; rel=\"next\"", next.to_uri()));
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(more: bool, tags: &[&str]) -> Option<String> {
        let name = "a/b".parse().unwrap();
        let page = next_page(more, tags.len(), tags.last());
        let next = page.map(|page| Endpoint::ListTags { name, page });
        let response = linked(answer::empty(StatusCode::OK), next.as_ref());
        response.headers().get(header::LINK).map(|link| link.to_str().unwrap().to_owned())
    }

    #[test]
    fn there_is_a_link_while_there_is_more() {
        let expected = r#"</v2/a/b/tags/list?last=v2&n=2>; rel="next""#;
        assert_eq!(link(true, &["v1", "v2"]).as_deref(), Some(expected));
        assert_eq!(link(false, &["v1", "v2"]), None);
        assert_eq!(link(true, &[]), None);
    }
}
