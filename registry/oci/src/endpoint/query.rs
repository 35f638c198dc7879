//! `Query`: the parameters of a request, decoded one by one as they are asked for; and the way back,
//! escaped.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{EndpointError, TAGS_MAX};
use crate::{Page, Tag};

/// What is escaped in a value: all but the unreserved characters of RFC 3986, and two that stand in
/// digests and names and are harmless in a query.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/');

/// The part of a URI after the question mark.
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// All values of `key`, in order.
    fn all(&self, key: &'static str) -> impl Iterator<Item = Cow<'a, str>> {
        self.0
            .split('&')
            .filter_map(move |pair| {
                let (found, value) = pair.split_once('=')?;
                (decode(found) == key).then_some(value)
            })
            .map(|value| match value.contains('+') {
                true => Cow::Owned(decode(&value.replace('+', " ")).into_owned()),
                false => decode(value),
            })
    }

    pub(super) fn first(&self, key: &'static str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    /// As [`Query::first`], where an empty value says nothing.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.first(key).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    pub(super) fn page(&self) -> Result<Page, EndpointError> {
        let n = self.first("n").map(|text| Page::parse_n(&text)).transpose()?;
        Ok(Page { n, last: self.text("last") })
    }

    pub(super) fn tags(&self) -> Result<Vec<Tag>, EndpointError> {
        if self.all("tag").nth(TAGS_MAX).is_some() {
            return Err(EndpointError::TagsTooMany);
        }
        self.all("tag").map(|text| text.parse().map_err(EndpointError::Tag)).collect()
    }
}

/// Percent-decoded text. What is not UTF-8 afterwards turns into a character that no grammar takes.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// `path` with `page` as its query.
pub(super) fn with_page(path: String, page: &Page) -> String {
    let n = page.n.map(|n| ("n", n.to_string()));
    let last = page.last.clone().map(|last| ("last", last));
    with(path, last.into_iter().chain(n))
}

/// `path` with `parameters` as its query, escaped.
pub(super) fn with(
    path: String,
    parameters: impl IntoIterator<Item = (&'static str, String)>,
) -> String {
    let mut uri = path;
    for (index, (key, value)) in parameters.into_iter().enumerate() {
        uri.push(if index == 0 { '?' } else { '&' });
        uri.push_str(key);
        uri.push('=');
        uri.extend(utf8_percent_encode(&value, ESCAPED));
    }
    uri
}
