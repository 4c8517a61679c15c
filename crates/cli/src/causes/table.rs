//! The table of causes, which is data: `causes.toml`.

use std::sync::LazyLock;

use toml::de::DeTable;

use super::rows::Row;
use super::signature::Signature;
use super::words::unknown_placeholder;

/// The table as it is in the source.
const TEXT: &str = include_str!("causes.toml");

/// The table. A test shows that it can be read.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(TEXT).unwrap_or_default());

/// All that is known of causes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The causes; of those that match, the first is the most likely.
    pub(crate) causes: Vec<Cause>,
    pub(crate) codes: Vec<Code>,
    /// The phrases; of those that match, the first is meant.
    pub(crate) phrases: Vec<Phrase>,
}

/// Why something failed, and what to change.
#[derive(Debug)]
pub(crate) struct Cause {
    /// The name of the cause, in the book, in JSON and in tests.
    pub(crate) id: String,
    /// The heading of the group in the book.
    pub(crate) group: String,
    /// The program that answered or ended it, such as nginx.
    pub(crate) who: String,
    /// What is seen, by which a reader of the book finds the cause.
    pub(crate) symptom: String,
    /// The cause, as a part of a sentence.
    pub(crate) why: String,
    pub(crate) remedy: String,
    /// Lines of a configuration or commands to paste; may be empty.
    pub(crate) paste: String,
    /// How it is tested: the name of a program that is started, `fixture` or `constructed`.
    #[cfg_attr(not(test), allow(dead_code, reason = "only the tests need it"))]
    pub(crate) peer: String,
    pub(crate) when: Vec<Signature>,
}

/// A close code.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) number: u16,
    /// The name in RFC 6455 or the registry.
    pub(crate) name: String,
    /// The side that may send it, and whether it may be on the wire.
    pub(crate) sender: String,
    pub(crate) meaning: String,
    pub(crate) causes: Vec<String>,
    pub(crate) remedies: Vec<String>,
}

/// What a browser or a library says.
#[derive(Debug)]
pub(crate) struct Phrase {
    /// The texts that mean this phrase: an error that contains one of them matches. `*` matches any
    /// text.
    pub(crate) said: Vec<String>,
    /// The browser or library that says it.
    pub(crate) by: String,
    pub(crate) meaning: String,
    /// What to do; may be empty if the causes say it.
    pub(crate) remedy: String,
    /// The identifiers of likely causes.
    pub(crate) causes: Vec<String>,
}

impl Table {
    /// Returns the table.
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
        let mut row = Row::new(table.get_ref());
        let causes = row.rows("cause")?.into_iter().map(Cause::read);
        let causes = causes.collect::<Result<Vec<_>, _>>()?;
        let codes = row.rows("code")?.into_iter().map(Code::read).collect::<Result<_, _>>()?;
        let phrases = row.rows("phrase")?.into_iter().map(Phrase::read);
        let phrases = phrases.collect::<Result<Vec<_>, _>>()?;
        row.finish()?;
        for (i, cause) in causes.iter().enumerate() {
            if causes[..i].iter().any(|other| other.id == cause.id) {
                return Err(format!("{} is there twice", cause.id));
            }
        }
        let table = Self { causes, codes, phrases };
        for phrase in &table.phrases {
            if let Some(id) = phrase.causes.iter().find(|id| table.cause(id).is_none()) {
                return Err(format!("{:?}: {id} is not a cause", phrase.said));
            }
        }
        Ok(table)
    }

    /// Returns the cause of this name.
    pub(crate) fn cause(&self, id: &str) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.id == id)
    }

    /// Returns what is known of a close code.
    pub(crate) fn code(&self, number: u16) -> Option<&Code> {
        self.codes.iter().find(|row| row.number == number)
    }
}

impl Cause {
    fn read(mut row: Row<'_>) -> Result<Self, String> {
        let id = row.required("id")?;
        Self::read_rest(&mut row, id.clone())
            .and_then(|cause| row.finish().map(|()| cause))
            .map_err(|why| format!("{id}: {why}"))
    }

    fn read_rest(row: &mut Row<'_>, id: String) -> Result<Self, String> {
        let when = row.rows("when")?.into_iter().map(Signature::read);
        let cause = Self {
            id,
            group: row.required("group")?,
            who: row.required("who")?,
            symptom: row.required("symptom")?,
            why: row.required("cause")?,
            remedy: row.required("remedy")?,
            paste: row.text("paste")?.unwrap_or_default(),
            peer: row.required("peer")?,
            when: when.collect::<Result<_, _>>()?,
        };
        for text in [&cause.why, &cause.remedy, &cause.paste] {
            if let Some(name) = unknown_placeholder(text) {
                return Err(format!("{{{name}}} is not known"));
            }
        }
        Ok(cause)
    }
}

impl Code {
    fn read(mut row: Row<'_>) -> Result<Self, String> {
        let numbers = row.numbers("code")?;
        let [number] = numbers[..] else { return Err("code is missing".into()) };
        let code = Self {
            number,
            name: row.required("name")?,
            sender: row.required("sender")?,
            meaning: row.required("meaning")?,
            causes: row.texts("causes")?,
            remedies: row.texts("remedies")?,
        };
        row.finish().map_err(|why| format!("{}: {why}", code.number))?;
        Ok(code)
    }
}

impl Phrase {
    fn read(mut row: Row<'_>) -> Result<Self, String> {
        let phrase = Self {
            said: row.texts("said")?,
            by: row.required("by")?,
            meaning: row.required("meaning")?,
            remedy: row.text("remedy")?.unwrap_or_default(),
            causes: row.texts("causes")?,
        };
        if phrase.said.is_empty() {
            return Err("said is missing".into());
        }
        row.finish().map_err(|why| format!("{:?}: {why}", phrase.said))?;
        Ok(phrase)
    }

    /// Returns whether a text has one of the parts.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.said.iter().any(|said| contains(&text, &said.to_lowercase()))
    }
}

/// Returns whether a text has the parts between the `*` of a pattern, in their order.
fn contains(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    for part in pattern.split('*') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}
