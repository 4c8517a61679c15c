//! The saved messages of the configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A message that is kept under a name.
#[allow(dead_code, reason = "no file is read yet")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SavedMessage {
    Text(String),
    /// The file whose content is sent.
    File(PathBuf),
}

/// The saved messages by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedMessages(pub(crate) BTreeMap<String, SavedMessage>);

impl SavedMessages {
    /// Returns the message of this name.
    ///
    /// # Errors
    /// Fails with the names that there are.
    pub(crate) fn get(&self, name: &str) -> Result<&SavedMessage, String> {
        self.0.get(name).ok_or_else(|| match self.names().as_slice() {
            [] => {
                "there are no saved messages; a section [message.NAME] of the configuration file \
                   makes one"
                    .into()
            }
            names => format!("there is no saved message {name}; there are {}", names.join(", ")),
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
