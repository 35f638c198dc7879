//! All repositories, page by page (registry:2's `_catalog`).

use http::StatusCode;
use serde::Serialize;
use wharf_oci::{Endpoint, Page, RepositoryName};

use super::Call;
use super::answer::{self, Response};
use super::error::Failure;
use super::tag::{linked, next_page};

#[derive(Serialize)]
struct Repositories<'a> {
    repositories: &'a [RepositoryName],
}

pub(super) async fn list(call: &Call<'_>, page: Page) -> Result<Response, Failure> {
    let listing = call.api.registry.repositories(&page).await?;
    let response = answer::json(StatusCode::OK, &Repositories { repositories: &listing.items });
    let next = next_page(listing.more, listing.items.len(), listing.items.last());
    let next = next.map(|page| Endpoint::ListRepositories { page });
    Ok(linked(response, next.as_ref()))
}
