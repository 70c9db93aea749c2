//! What a form sends: names and values in their order, as they were typed.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};

use super::Portal;
use crate::refusal::Refusal;

/// Names and values. Holds what somebody wrote of a child: no `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Pairs(Vec<(String, String)>);

/// The body of a request that may be a form.
pub(super) struct Posted {
    body: Result<Bytes, BytesRejection>,
    is_form: bool,
}

impl FromRequest<Arc<Portal>> for Posted {
    type Rejection = Infallible;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, Infallible> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        let is_form = media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        Ok(Self { is_form, body: Bytes::from_request(request, portal).await })
    }
}

impl Posted {
    /// The form.
    pub(super) fn words(&self) -> Result<Pairs, Refusal> {
        let body = self.body.as_ref().map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
            _ => Refusal::Malformed("formulaire"),
        })?;
        // Counted before anything is made of them.
        if body.iter().filter(|byte| **byte == b'&').count() > MOST_PAIRS {
            return Err(Refusal::TooLarge);
        }
        if self.is_form { Ok(Pairs::read(body)) } else { Err(Refusal::MediaType) }
    }
}

impl Pairs {
    pub(super) fn read(bytes: &[u8]) -> Self {
        // No form of ours has longer or deeper names, and to look names up takes their length times their depth.
        let named = |name: &str| name.len() <= LONGEST_NAME && name.matches('/').count() <= DEEPEST_NAME;
        Self(
            form_urlencoded::parse(bytes)
                .filter(|(name, _)| named(name))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(told, _)| told == name).map(|(_, value)| value.as_str())
    }

    /// The first value of this name that says something.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).map(str::trim).filter(|value| !value.is_empty())
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(told, _)| told != name);
        self.0.push((name.to_owned(), value));
    }

    /// Without what belongs to one request alone.
    pub(super) fn into_kept(mut self) -> Self {
        self.0.retain(|(name, _)| !["_csrf", "_action", "_auteur"].contains(&name.as_str()));
        self
    }

    /// The same, to be looked up over and over.
    pub(super) fn index(&self) -> Index<'_> {
        let mut index = Index::default();
        for (name, value) in &self.0 {
            index.values.entry(name).or_default().push(value);
            if value.is_empty() {
                continue;
            }
            for (at, _) in name.match_indices('/') {
                let (list, rest) = (name.get(..at), name.get(at + 1..));
                let item = rest.and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
                if let (Some(list), Some(item)) = (list, item) {
                    let last = index.last.entry(list).or_default();
                    *last = item.max(*last);
                }
            }
        }
        index
    }

    /// How many items of a list are begun, and shown.
    pub(super) fn count(&self, list: &str) -> usize {
        self.index().count(list)
    }
}

/// Names and values of a form, by name: a form of two thousand is read in one pass.
#[derive(Default)]
pub(super) struct Index<'p> {
    values: HashMap<&'p str, Vec<&'p str>>,
    /// The last item that is begun, by list.
    last: HashMap<&'p str, usize>,
}

impl Index<'_> {
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.get(name).into_iter().flatten().copied()
    }

    /// How many items of a list are begun, and shown.
    pub(super) fn count(&self, list: &str) -> usize {
        let shown = self.first(&format!("_n:{list}")).and_then(|many| many.parse().ok()).unwrap_or(1);
        // A list in an item of a list has a few.
        let most = if list.split('/').any(|step| step.parse::<usize>().is_ok()) { MOST_WITHIN } else { MOST };
        self.last.get(list).map_or(shown, |last| shown.max(last.saturating_add(1))).clamp(1, most)
    }
}

/// Names and values of one form: a long one has three hundred.
const MOST_PAIRS: usize = 2_000;
/// Bytes of a name, and its steps.
const LONGEST_NAME: usize = 200;
const DEEPEST_NAME: usize = 12;
/// Items of one list that a page shows.
const MOST: usize = 30;
/// Of one that stands in an item of another.
const MOST_WITHIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_found_by_its_name_and_a_list_is_as_long_as_its_last_item() {
        let pairs =
            Pairs::read(b"a/0/x=1&a/3/y=2&a/9/x=&a/3/b/7/z=1&a/3/b/99/z=1&c=1&c=2&_n:d=4&_n:e=999&a/18446744073709551615/x=1&f/2=v");
        let index = pairs.index();
        assert_eq!((index.first("a/3/y"), index.first("a/9/x"), index.first("none")), (Some("2"), Some(""), None));
        assert_eq!(index.all("c").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(["a", "a/3/b", "d", "e", "none", "f"].map(|list| index.count(list)), [30, 8, 4, 30, 1, 3]);
        assert_eq!(Pairs::read(b"a/0/x=1&a/3/y=2").count("a"), 4);
    }

    /// Each step of a name is looked up by all that stands before it: half a million steps held a processor for minutes.
    #[test]
    fn names_that_no_form_has_are_not_looked_at() {
        let (deep, long) = ("a".to_owned() + &"/0".repeat(500_000), "a".repeat(LONGEST_NAME + 1));
        let pairs = Pairs::read(format!("{deep}=1&{long}=1&a/0/0/0/0/0/0/0/0/0/0/0=1&b=2").as_bytes());
        assert_eq!(pairs.0.iter().map(|(name, _)| name.len()).collect::<Vec<_>>(), [23, 1]);
    }
}
