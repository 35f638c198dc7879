//! Lists of repositories and tags, followed page by page through their `Link`s.
//! A list is never longer than its caller allows.

use http::StatusCode;
use http::header::LINK;
use http::uri::PathAndQuery;
use http::{Request, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wharf_oci::{Endpoint, Page, RepositoryName, Tag};

use crate::answer::Answer;
use crate::client::{RegistryClient, Target, path_of};
use crate::error::Error;
use crate::upload::RequestBody;

/// The most entries asked for in one request; registries may give fewer.
const PAGE_ENTRIES_MAX: usize = 1000;

/// A list, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The entries, in the registry's order.
    pub items: Vec<T>,
    /// Whether the registry has more than these.
    pub more: bool,
}

#[derive(Deserialize)]
struct Catalog {
    // Some registries write null for an empty list.
    repositories: Option<Vec<RepositoryName>>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<Tag>>,
}

impl RegistryClient {
    /// The names of the repositories, at most `limit` of them (`_catalog`, as in registry:2).
    pub async fn catalog(&self, limit: usize) -> Result<Listing<RepositoryName>, Error> {
        let first = Endpoint::ListRepositories { page: page(limit) };
        let names = |page: Catalog| page.repositories;
        self.pages(first, names, limit).await
    }

    /// The tags of a repository, at most `limit` of them (distribution spec, end-8a and end-8b).
    pub async fn tags(&self, name: &RepositoryName, limit: usize) -> Result<Listing<Tag>, Error> {
        let first = Endpoint::ListTags { name: name.clone(), page: page(limit) };
        self.pages(first, |page: Tags| page.tags, limit).await
    }

    async fn pages<P: DeserializeOwned, T>(
        &self,
        first: Endpoint,
        items_of: impl Fn(P) -> Option<Vec<T>>,
        limit: usize,
    ) -> Result<Listing<T>, Error> {
        let mut items = Vec::new();
        let mut next = Some(Target::Path(path_of(&first)));
        while let Some(target) = next.take_if(|_| items.len() < limit) {
            let request = Request::new(RequestBody::default());
            let mut answer = self.send(target, request).await?.accept(&[StatusCode::OK]).await?;
            let bytes = answer.read(self.limits.list_bytes_max).await?;
            let page = serde_json::from_slice(&bytes).map_err(|source| Error::ListMalformed {
                address: answer.address.clone(),
                request: answer.request.clone(),
                source,
            })?;
            let page = items_of(page).unwrap_or_default();
            // A page without entries ends the list, so that no circle of links goes on for ever.
            next = if page.is_empty() { None } else { next_page(&answer) };
            items.extend(page);
        }
        let more = next.is_some() || items.len() > limit;
        items.truncate(limit);
        Ok(Listing { items, more })
    }
}

fn page(limit: usize) -> Page {
    Page { n: Some(limit.clamp(1, PAGE_ENTRIES_MAX)), last: None }
}

/// The target of `Link: <…>; rel="next"` (RFC 5988).
fn next_page(answer: &Answer) -> Option<Target> {
    let (target, parameters) = answer.header(LINK)?.strip_prefix('<')?.split_once('>')?;
    if !parameters.replace(['"', ' '], "").contains("rel=next") {
        return None;
    }
    // Only the path counts: the list goes on at the registry that was asked.
    let path = target.parse::<Uri>().ok()?.into_parts().path_and_query;
    path.filter(|path| *path != PathAndQuery::from_static("/")).map(Target::Path)
}
