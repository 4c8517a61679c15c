//! Why an attempt to open a WebSocket failed, and what to change.

#[cfg(test)]
mod book;
#[allow(dead_code, reason = "the commands do not collect all of it yet")]
pub(crate) mod observation;
mod rows;
mod signature;
mod table;
#[cfg(test)]
mod tests;
mod words;

use serde_json::{Value, json};

use self::observation::Observation;
pub(crate) use self::table::{Cause, Table};
pub(crate) use self::words::filled;

/// Returns the causes that an observation suggests, the most likely one first.
pub(crate) fn likely(seen: &Observation) -> impl Iterator<Item = &'static Cause> {
    let causes = Table::get().causes.iter();
    causes.filter(|cause| cause.when.iter().any(|signature| signature.matches(seen)))
}

/// Returns a cause as lines for people, without newlines.
pub(crate) fn lines(cause: &Cause, seen: &Observation) -> Vec<String> {
    let mut lines = vec![
        format!("  answered by: {}", filled(&cause.who, seen)),
        format!("  likely cause: {}", filled(&cause.why, seen)),
        format!("  remedy: {}", filled(&cause.remedy, seen)),
    ];
    lines.extend(filled(&cause.paste, seen).trim().lines().map(|line| format!("      {line}")));
    lines
}

/// Returns a cause as JSON.
pub(crate) fn to_json(cause: &Cause, seen: &Observation) -> Value {
    json!({
        "id": cause.id,
        "group": cause.group,
        "symptom": cause.symptom,
        "answered_by": filled(&cause.who, seen),
        "cause": filled(&cause.why, seen),
        "remedy": filled(&cause.remedy, seen),
        "paste": filled(&cause.paste, seen).trim(),
    })
}
