//! What differs between two talks.

use std::fmt;

use super::{Said, TalkItem};
use crate::tree::{Json, Reader, Tree, TreeValue};

/// How far an item is looked for when the two sides are not in step.
const MAX_AHEAD: usize = 16;

/// The most places at which two JSON texts are said to differ.
const MAX_PLACES: usize = 10;

/// A difference between what was recorded and what was said later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The number of the item among the recorded ones, from 0 on.
    pub index: usize,
    /// What differs.
    pub kind: DifferenceKind,
}

/// What a [`Difference`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// A recorded item did not come.
    Missing(Said),
    /// An item came before the recorded one that was not recorded.
    Extra(Said),
    /// Another item came in its place.
    Changed {
        /// The recorded one.
        recorded: Said,
        /// The one that came.
        now: Said,
        /// If both are JSON, the first places where they differ, such as `.user.name`; at most 10.
        places: Vec<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index;
        match &self.kind {
            DifferenceKind::Missing(said) => write!(f, "{index}: missing: {said}"),
            DifferenceKind::Extra(said) => write!(f, "{index}: not recorded: {said}"),
            DifferenceKind::Changed { recorded, now, places } if places.is_empty() => {
                write!(f, "{index}: recorded: {recorded}; now: {now}")
            }
            DifferenceKind::Changed { places, .. } => {
                write!(f, "{index}: differs at {}", places.join(", "))
            }
        }
    }
}

/// Returns what differs between recorded items and later ones of the same side. Their times are not
/// compared, and neither are the values of JSON whose keys are in `ignored`, such as times and
/// numbers that are random.
///
/// Items that are missing or new are found if there are at most 16 of them in a row.
pub fn compare(recorded: &[TalkItem], now: &[TalkItem], ignored: &[&str]) -> Vec<Difference> {
    let is_same = |left: &TalkItem, right: &TalkItem| {
        left.what == right.what
            || places(&left.what, &right.what, ignored).is_some_and(|places| places.is_empty())
    };
    let mut differences = Vec::new();
    let (mut left, mut right) = (0, 0);
    while let (Some(old), Some(new)) = (recorded.get(left), now.get(right)) {
        if is_same(old, new) {
            (left, right) = (left + 1, right + 1);
            continue;
        }
        let ahead = |items: &[TalkItem], from: usize, item: &TalkItem| {
            let items = items[from..].iter().take(MAX_AHEAD + 1);
            items.skip(1).position(|other| is_same(item, other)).map(|index| index + 1)
        };
        match (ahead(now, right, old), ahead(recorded, left, new)) {
            (Some(extra), missing) if missing.is_none_or(|missing| extra <= missing) => {
                let items = &now[right..right + extra];
                differences.extend(items.iter().map(|item| extra_one(left, item)));
                right += extra;
            }
            (_, Some(missing)) => {
                differences
                    .extend((left..left + missing).map(|index| missing_one(index, recorded)));
                left += missing;
            }
            _ => {
                let places = places(&old.what, &new.what, ignored).unwrap_or_default();
                let (recorded, now) = (old.what.clone(), new.what.clone());
                let kind = DifferenceKind::Changed { recorded, now, places };
                differences.push(Difference { index: left, kind });
                (left, right) = (left + 1, right + 1);
            }
        }
    }
    differences.extend((left..recorded.len()).map(|index| missing_one(index, recorded)));
    differences.extend(now[right..].iter().map(|item| extra_one(recorded.len(), item)));
    differences
}

fn extra_one(index: usize, item: &TalkItem) -> Difference {
    Difference { index, kind: DifferenceKind::Extra(item.what.clone()) }
}

fn missing_one(index: usize, recorded: &[TalkItem]) -> Difference {
    Difference { index, kind: DifferenceKind::Missing(recorded[index].what.clone()) }
}

/// Returns the places where two JSON texts differ; `None` if one is not JSON.
fn places(left: &Said, right: &Said, ignored: &[&str]) -> Option<Vec<String>> {
    let json = |said: &Said| -> Option<Tree> {
        let Said::Message { payload, .. } = said else { return None };
        let mut reader = Reader::new(payload, 0);
        let tree = Json::new(&mut reader).document();
        tree.filter(|_| !reader.has_problem())
    };
    let kind = |said: &Said| match said {
        Said::Message { kind, .. } => Some(*kind),
        Said::Close { .. } => None,
    };
    if kind(left) != kind(right) {
        return None;
    }
    let mut places = Vec::new();
    differ(&json(left)?, &json(right)?, ignored, "", &mut places);
    Some(places)
}

fn differ(left: &Tree, right: &Tree, ignored: &[&str], path: &str, places: &mut Vec<String>) {
    if places.len() == MAX_PLACES {
        return;
    }
    match (&left.value, &right.value) {
        (TreeValue::Map(old), TreeValue::Map(new)) => {
            let names = |entries: &[(Tree, Tree)]| -> Vec<String> {
                let names = entries.iter().filter_map(|(key, _)| key.as_text());
                names.filter(|name| !ignored.contains(name)).map(str::to_owned).collect()
            };
            let old = names(old);
            let of_new = names(new).into_iter().filter(|name| left.get(name).is_none());
            for name in old.iter().cloned().chain(of_new) {
                let path = format!("{path}.{name}");
                match (left.get(&name), right.get(&name)) {
                    (Some(left), Some(right)) => differ(left, right, ignored, &path, places),
                    _ => add(path, places),
                }
            }
        }
        (TreeValue::List(old), TreeValue::List(new)) => {
            for (index, (left, right)) in old.iter().zip(new).enumerate() {
                differ(left, right, ignored, &format!("{path}[{index}]"), places);
            }
            if old.len() != new.len() {
                add(format!("{path}[{}]", old.len().min(new.len())), places);
            }
        }
        (old, new) if old == new => {}
        _ if path.is_empty() => add("the whole value".to_owned(), places),
        _ => add(path.to_owned(), places),
    }
}

fn add(path: String, places: &mut Vec<String>) {
    if places.len() < MAX_PLACES {
        places.push(path);
    }
}
