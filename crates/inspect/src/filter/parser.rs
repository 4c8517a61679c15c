//! The parser of filters.

use fullduplex_proto::Role;

use super::expression::{Comparison, Expression, Literal, Root, Term, Test};
use super::needle::Needle;
use super::vocabulary::{Count, Flag, Kind, Time, Words, beginnings};
use super::{FilterError, MAX_LEN, units};
use crate::payload::Format;
use crate::tree::{Path, Segment, is_plain_char};

/// The most expressions that contain each other.
const MAX_DEPTH: usize = 32;

/// The most terms of a filter.
const MAX_TERMS: usize = 100;

type Result<T> = std::result::Result<T, FilterError>;

/// The parser of a filter.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, terms: 0 }
    }

    pub(super) fn filter(mut self) -> Result<Option<Expression>> {
        if self.text.len() > MAX_LEN {
            let problem = format!("a filter has at most {MAX_LEN} bytes");
            return Err(self.error(MAX_LEN, problem, &[]));
        }
        self.skip_space();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let expression = self.or()?;
        if self.rest().is_empty() {
            Ok(Some(expression))
        } else {
            Err(self.error(self.at, "there is no \"(\" for this", &[]))
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes a text if it is next.
    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    /// Takes characters as long as they are such.
    fn take_while(&mut self, is_such: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|char| !is_such(char)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Takes a word if it is next, and ends there.
    fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let begins = rest.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word));
        let ends = rest.get(word.len()..).is_some_and(|rest| {
            rest.chars().next().is_none_or(|next| next.is_whitespace() || "()~\"".contains(next))
        });
        self.at += if begins && ends { word.len() } else { 0 };
        begins && ends
    }

    /// Returns an error at a byte, which may be within a character.
    fn error(&self, at: usize, problem: impl Into<String>, allowed: &[&str]) -> FilterError {
        let column = self.text.char_indices().take_while(|(index, _)| *index < at).count();
        FilterError {
            position: at,
            column,
            problem: problem.into(),
            allowed: allowed.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// Returns what `parse` returns, one level deeper.
    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Expression>,
    ) -> Result<Expression> {
        if self.depth == MAX_DEPTH {
            let problem = format!("expressions are nested more than {MAX_DEPTH} times");
            return Err(self.error(self.at, problem, &[]));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn or(&mut self) -> Result<Expression> {
        let mut parts = Vec::new();
        loop {
            // A group within is part of the same list.
            match self.and()? {
                Expression::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !self.take_word("or") {
                break;
            }
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn and(&mut self) -> Result<Expression> {
        let mut parts = Vec::new();
        loop {
            self.skip_space();
            match self.unary()? {
                Expression::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            self.skip_space();
            let begin = self.at;
            if self.take_word("and") {
                continue;
            }
            let is_end = matches!(self.peek(), None | Some(')')) || self.take_word("or");
            self.at = begin;
            if is_end {
                return Ok(one_or(parts, Expression::And));
            }
        }
    }

    fn unary(&mut self) -> Result<Expression> {
        let begin = self.at;
        if self.take_word("not") || self.take("!") {
            return self.nested(|parser| {
                parser.skip_space();
                Ok(Expression::Not(Box::new(parser.unary()?)))
            });
        }
        if self.take("(") {
            let inner = self.nested(Self::or)?;
            if !self.take(")") {
                return Err(self.error(begin, "there is no \")\" for this", &[]));
            }
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let problem = format!("a filter has at most {MAX_TERMS} terms");
            return Err(self.error(begin, problem, &[]));
        }
        let term = self.term()?;
        match self.peek() {
            Some(next) if !next.is_whitespace() && next != ')' => {
                Err(self.error(self.at, "a space is missing", &[]))
            }
            _ => Ok(Expression::Term(term)),
        }
    }

    fn term(&mut self) -> Result<Term> {
        match self.peek() {
            Some('~') => return Ok(Term::Payload(self.needle()?)),
            Some('"') => return Ok(Term::Payload(Needle::Text(self.quoted()?))),
            _ => {}
        }
        let begin = self.at;
        let word = self.take_while(|char| char.is_ascii_alphanumeric()).to_ascii_lowercase();
        let flag = Flag::from_name(&word).filter(|flag| Flag::ALONE.contains(flag));
        let is_field = matches!(self.peek(), Some(':' | '=' | '!' | '<' | '>'));
        match &*word {
            "json" if matches!(self.peek(), Some('.' | '[')) => return self.path(Root::Json),
            "tree" if matches!(self.peek(), Some('.' | '[')) => return self.path(Root::Tree),
            "format" => return self.format(begin),
            "dir" => return self.direction(begin),
            "kind" => return self.kind(begin),
            "has" => return self.flag(begin),
            "ratio" => return self.ratio(begin),
            _ => {}
        }
        if let Some(flag) = flag.filter(|_| !is_field) {
            return Ok(Term::Flag(flag));
        }
        if let Some(field) = Count::from_name(&word) {
            return self.count(begin, field);
        }
        if let Some(field) = Time::from_name(&word) {
            return self.time(begin, field);
        }
        if let Some(field) = Words::from_name(&word) {
            self.colon(begin)?;
            let text = self.value()?;
            return Ok(Term::Words(field, text));
        }
        let problem = match (&*word, self.peek()) {
            ("", None) => "a term is missing".to_owned(),
            ("", Some(char)) => format!("{char:?} does not begin a term"),
            _ => format!("{word:?} is not known"),
        };
        let allowed = beginnings();
        let allowed: Vec<&str> = allowed.iter().map(|word| &**word).collect();
        Err(self.error(begin, problem, &allowed))
    }

    /// Takes the colon of a field.
    fn colon(&mut self, begin: usize) -> Result<()> {
        if self.take(":") || self.take("=") {
            return Ok(());
        }
        let problem = format!("{:?} needs a value", &self.text[begin..self.at]);
        Err(self.error(self.at, problem, &[":"]))
    }

    /// Takes a comparison. A colon is the same as `=`.
    fn comparison(&mut self, begin: usize) -> Result<Comparison> {
        if self.take(":") {
            return Ok(Comparison::Equal);
        }
        for (sign, comparison) in Comparison::ALL {
            if self.take(sign) {
                return Ok(comparison);
            }
        }
        let problem = format!("{:?} needs a comparison", &self.text[begin..self.at]);
        Err(self.error(self.at, problem, &["=", "!=", "<", "<=", ">", ">="]))
    }

    /// Takes a value: a text in quotation marks, or characters up to a space or a bracket.
    fn value(&mut self) -> Result<String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let begin = self.at;
        let value = self.take_while(|char| !char.is_whitespace() && !"()\"".contains(char));
        if value.is_empty() {
            return Err(self.error(begin, "a value is missing", &[]));
        }
        Ok(value.to_owned())
    }

    /// Takes a text in quotation marks, with the escapes of JSON.
    fn quoted(&mut self) -> Result<String> {
        let begin = self.at;
        let mut is_escaped = true;
        let end = self.rest().char_indices().find(|(_, char)| {
            let ends = *char == '"' && !is_escaped;
            is_escaped = *char == '\\' && !is_escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err(self.error(begin, "the quotation mark is not closed", &[]));
        };
        self.at += end + 1;
        serde_json::from_str(&self.text[begin..self.at]).map_err(|_| {
            let problem = "the text in quotation marks is not valid: its escapes are those of JSON";
            self.error(begin, problem, &[])
        })
    }

    /// Takes what is searched for: `~/regex/`, `~/regex/i`, `~"text"` or `~text`.
    fn needle(&mut self) -> Result<Needle> {
        self.take("~");
        let begin = self.at;
        if !self.take("/") {
            return self.value().map(Needle::Text);
        }
        let mut pattern = String::new();
        let mut chars = self.rest().char_indices();
        let end = loop {
            match chars.next() {
                None => {
                    return Err(self.error(begin, "the regular expression has no end \"/\"", &[]));
                }
                Some((index, '/')) => break index,
                Some((_, '\\')) => match chars.next() {
                    Some((_, '/')) => pattern.push('/'),
                    escaped => {
                        pattern.push('\\');
                        pattern.extend(escaped.map(|(_, char)| char));
                    }
                },
                Some((_, char)) => pattern.push(char),
            }
        };
        self.at += end + 1;
        let ignores_case = self.take("i");
        Needle::regex(&pattern, ignores_case).map_err(|problem| self.error(begin, problem, &[]))
    }

    /// Takes the name of one of a list.
    fn name<T>(
        &mut self,
        begin: usize,
        what: &str,
        names: &[&str],
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        self.colon(begin)?;
        let at = self.at;
        let name = self.value()?.to_ascii_lowercase();
        find(&name).ok_or_else(|| self.error(at, format!("{name:?} is not {what}"), names))
    }

    fn direction(&mut self, begin: usize) -> Result<Term> {
        let role = self.name(begin, "a direction", &["in", "out"], |name| match name {
            "in" => Some(Role::Server),
            "out" => Some(Role::Client),
            _ => None,
        })?;
        Ok(Term::From(role))
    }

    fn kind(&mut self, begin: usize) -> Result<Term> {
        self.name(begin, "a kind", Kind::NAMES, Kind::from_name).map(Term::Kind)
    }

    fn flag(&mut self, begin: usize) -> Result<Term> {
        self.name(begin, "what a row can have", Flag::NAMES, Flag::from_name).map(Term::Flag)
    }

    fn format(&mut self, begin: usize) -> Result<Term> {
        let names = Format::ALL.map(Format::name);
        self.name(begin, "a format", &names, Format::from_name).map(Term::Format)
    }

    fn ratio(&mut self, begin: usize) -> Result<Term> {
        let comparison = self.comparison(begin)?;
        let at = self.at;
        let text = self.value()?;
        let ratio = text.parse().ok().filter(|ratio| (0.0..1e9).contains(ratio));
        let ratio = ratio
            .ok_or_else(|| self.error(at, format!("{text:?} is not a ratio, such as 0.5"), &[]))?;
        Ok(Term::Ratio(comparison, ratio))
    }

    fn count(&mut self, begin: usize, field: Count) -> Result<Term> {
        let comparison = self.comparison(begin)?;
        let at = self.at;
        let text = self.value()?;
        let (count, example) = match field {
            Count::Size | Count::Wire => (units::size(&text), "a size, such as 500, 1k or 1MiB"),
            _ => (text.parse().ok(), "a number"),
        };
        let count =
            count.ok_or_else(|| self.error(at, format!("{text:?} is not {example}"), &[]))?;
        Ok(Term::Count(field, comparison, count))
    }

    fn time(&mut self, begin: usize, field: Time) -> Result<Term> {
        let comparison = self.comparison(begin)?;
        let at = self.at;
        let text = self.value()?;
        let time = units::duration(&text).ok_or_else(|| {
            self.error(at, format!("{text:?} is not a time, such as 500ms, 2s or 1m"), &[])
        })?;
        Ok(Term::Time(field, comparison, time))
    }

    /// Takes a path and what its value must be.
    fn path(&mut self, root: Root) -> Result<Term> {
        let mut path = Path::default();
        loop {
            let begin = self.at;
            if self.take("[") {
                let index = self.take_while(|char| char.is_ascii_digit()).parse();
                let Ok(index) = index else {
                    return Err(self.error(self.at, "the number of an item is missing", &[]));
                };
                if !self.take("]") {
                    return Err(self.error(self.at, "a \"]\" is missing", &["]"]));
                }
                path.0.push(Segment::Index(index));
            } else if self.take(".") {
                path.0.push(self.key(begin)?);
            } else {
                break;
            }
        }
        if self.peek() == Some('~') {
            return Ok(Term::Path(root, path, Some(Test::Contains(self.needle()?))));
        }
        if !matches!(self.peek(), Some(':' | '=' | '!' | '<' | '>')) {
            return Ok(Term::Path(root, path, None));
        }
        let comparison = self.comparison(self.at)?;
        let literal = self.literal()?;
        Ok(Term::Path(root, path, Some(Test::Value(comparison, literal))))
    }

    fn key(&mut self, begin: usize) -> Result<Segment> {
        if self.take("*") {
            return Ok(Segment::Any);
        }
        if self.peek() == Some('"') {
            return self.quoted().map(Segment::Key);
        }
        let key = self.take_while(is_plain_char);
        if key.is_empty() {
            return Err(self.error(begin, "a key is missing", &["key", "\"any key\"", "*"]));
        }
        Ok(Segment::Key(key.to_owned()))
    }

    fn literal(&mut self) -> Result<Literal> {
        if self.peek() == Some('"') {
            return self.quoted().map(Literal::Text);
        }
        let text = self.value()?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        Ok(match &*text {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ => number.map_or(Literal::Text(text), Literal::Number),
        })
    }
}

/// Returns the only expression, or what they make together.
fn one_or(
    mut parts: Vec<Expression>,
    join: impl FnOnce(Vec<Expression>) -> Expression,
) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}
