//! What differs between two talks.

use std::fmt::{self, Write as _};

use super::{Said, TalkItem};
use crate::tree::{Json, Reader, Tree, TreeValue};

/// How far an item is looked for when the two sides are not in step.
const MAX_AHEAD: usize = 16;

/// The most places at which two JSON texts are said to differ.
const MAX_PLACES: usize = 10;

/// About how many bytes a place shows of each side.
const MAX_SHOWN: usize = 60;

/// How many bytes before the first that differs are shown.
const BEFORE: usize = 12;

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
        /// Where they differ: the first 10 places of JSON; else the first byte. Empty if one of
        /// them is a Close, or they are of different kinds.
        places: Vec<Place>,
    },
}

/// A place at which two messages differ, with what each has there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The path within JSON, such as `.user.name` or `.list[1]`, empty for the whole value; or else
    /// the number of the first byte that differs, from 0 on, such as `byte 17`.
    pub path: String,
    /// What was recorded, cut; `None` if there is nothing.
    pub recorded: Option<String>,
    /// What came, cut; `None` if there is nothing.
    pub now: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (separator, nothing) = if self.path.is_empty() { ("", "") } else { (": ", "nothing") };
        let [recorded, now] =
            [&self.recorded, &self.now].map(|text| text.as_deref().unwrap_or(nothing));
        write!(f, "{}{separator}{recorded}, now {now}", self.path)
    }
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
                let places: Vec<String> = places.iter().map(ToString::to_string).collect();
                write!(f, "{index}: {}", places.join("; "))
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
                let places = places(&old.what, &new.what, ignored);
                let places = places.or_else(|| first_byte(&old.what, &new.what));
                let places = places.unwrap_or_default();
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

/// Returns the first byte at which two messages of one kind differ.
fn first_byte(left: &Said, right: &Said) -> Option<Vec<Place>> {
    let (Said::Message { kind, payload: left, .. }, Said::Message { kind: other, payload, .. }) =
        (left, right)
    else {
        return None;
    };
    if kind != other {
        return None;
    }
    let equal = left.iter().zip(payload).take_while(|(left, right)| left == right).count();
    let shown = |payload: &[u8]| (equal < payload.len()).then(|| excerpt(payload, equal));
    let (recorded, now) = (shown(left), shown(payload));
    Some(vec![Place { path: format!("byte {equal}"), recorded, now }])
}

/// Returns what is around a byte of a payload: text in quotation marks, or else hexadecimal digits.
fn excerpt(payload: &[u8], at: usize) -> String {
    let from = at.saturating_sub(BEFORE);
    let to = payload.len().min(from + MAX_SHOWN);
    let (begin, end) = (if from > 0 { "…" } else { "" }, if to < payload.len() { "…" } else { "" });
    if let Ok(text) = std::str::from_utf8(payload) {
        let from = (from..=to).find(|&at| text.is_char_boundary(at)).unwrap_or(to);
        let to = (from..=to).rfind(|&at| text.is_char_boundary(at)).unwrap_or(from);
        return format!("{begin}{:?}{end}", &text[from..to]);
    }
    let mut hex = String::from(begin);
    for byte in &payload[from..to] {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex + end
}

/// Returns the places where two JSON texts differ; `None` if one is not JSON.
fn places(left: &Said, right: &Said, ignored: &[&str]) -> Option<Vec<Place>> {
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

fn differ(left: &Tree, right: &Tree, ignored: &[&str], path: &str, places: &mut Vec<Place>) {
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
                    (left, right) => add(path, left, right, places),
                }
            }
        }
        (TreeValue::List(old), TreeValue::List(new)) => {
            for (index, (left, right)) in old.iter().zip(new).enumerate() {
                differ(left, right, ignored, &format!("{path}[{index}]"), places);
            }
            let both = old.len().min(new.len());
            if old.len() != new.len() {
                add(format!("{path}[{both}]"), old.get(both), new.get(both), places);
            }
        }
        (old, new) if old == new => {}
        _ => add(path.to_owned(), Some(left), Some(right), places),
    }
}

fn add(path: String, left: Option<&Tree>, right: Option<&Tree>, places: &mut Vec<Place>) {
    if places.len() < MAX_PLACES {
        let line = |tree: Option<&Tree>| tree.map(|tree| tree.to_line(MAX_SHOWN));
        places.push(Place { path, recorded: line(left), now: line(right) });
    }
}
