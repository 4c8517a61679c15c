//! The causes that fit what was seen, with what was seen filled in.

use serde_json::{Value, json};

use crate::causes::observation::Observation;
use crate::causes::{self, Cause, filled};

/// The most causes that are reported: those after them are general ones.
const MAX_CAUSES: usize = 2;

/// A cause that fits.
#[derive(Clone, Debug)]
pub(super) struct LikelyCause {
    pub(super) id: String,
    /// The program that answered or ended the connection.
    pub(super) who: String,
    pub(super) cause: String,
    pub(super) remedy: String,
    /// Lines of a configuration to paste; may be empty.
    pub(super) paste: String,
}

/// Returns the causes that fit, the most likely one first.
pub(super) fn likely(seen: &Observation) -> Vec<LikelyCause> {
    let cause = |cause: &Cause| LikelyCause {
        id: cause.id.clone(),
        who: filled(&cause.who, seen),
        cause: filled(&cause.why, seen),
        remedy: filled(&cause.remedy, seen),
        paste: filled(&cause.paste, seen),
    };
    causes::likely(seen).take(MAX_CAUSES).map(cause).collect()
}

impl LikelyCause {
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "who": self.who,
            "cause": self.cause,
            "remedy": self.remedy,
            "paste": self.paste,
        })
    }
}
