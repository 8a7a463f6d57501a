//! Messages of the extended protocol as bytes, and what comes back in short. For tests that say themselves
//! what is sent with what.

use crate::raw::{Message, Raw, message, strings};

/// Parse.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message('P', &[strings(&[name, sql]), vec![0, 0]].concat())
}

/// Bind with parameters as text; results as text.
pub fn bind(portal: &str, statement: &str, parameters: &[&str]) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend([0, 0]);
    body.extend(u16::try_from(parameters.len()).unwrap_or(0).to_be_bytes());
    for parameter in parameters {
        body.extend(u32::try_from(parameter.len()).unwrap_or(0).to_be_bytes());
        body.extend(parameter.as_bytes());
    }
    body.extend([0, 0]);
    message('B', &body)
}

/// Execute; 0 rows: all of them.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    message(
        'E',
        &[strings(&[portal]), rows.to_be_bytes().to_vec()].concat(),
    )
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message('S', &[])
}

/// Flush.
pub fn flush() -> Vec<u8> {
    message('H', &[])
}

/// A simple query.
pub fn query(sql: &str) -> Vec<u8> {
    message('Q', &strings(&[sql]))
}

/// The types of messages in order, a run of rows as one: `12TDC`, notices left out.
pub fn kinds(messages: &[Message]) -> String {
    let mut kinds: Vec<char> = messages.iter().map(|one| one.kind).collect();
    kinds.retain(|kind| *kind != 'N');
    kinds.dedup_by(|a, b| a == b && *a == 'D');
    kinds.into_iter().collect()
}

/// How many rows there are.
pub fn rows(messages: &[Message]) -> usize {
    messages.iter().filter(|one| one.kind == 'D').count()
}

/// SQLSTATE and text of the only error; panics unless there is exactly one.
pub fn only_error(messages: &[Message]) -> (String, String) {
    let errors: Vec<&Message> = messages.iter().filter(|one| one.kind == 'E').collect();
    assert_eq!(errors.len(), 1, "{messages:?}");
    let field = |name| {
        errors
            .iter()
            .find_map(|error| error.field(name))
            .unwrap_or_default()
    };
    (field('C'), field('M'))
}

/// The transaction status in a ReadyForQuery that comes last: `I`, `T` or `E`.
pub fn status(messages: &[Message]) -> char {
    let last = messages.last().filter(|last| last.kind == 'Z');
    last.and_then(|last| last.body.first())
        .map_or('?', |status| char::from(*status))
}

impl Raw {
    /// Sends these and answers everything up to ReadyForQuery.
    pub fn ask(&mut self, messages: &[Vec<u8>]) -> std::io::Result<Vec<Message>> {
        self.send_bytes(&messages.concat())?;
        self.until('Z')
    }

    /// Reads up to the notice of a held exchange: what came before it, and the approval's id.
    pub fn held(&mut self) -> anyhow::Result<(Vec<Message>, String)> {
        let mut before = self.until('N')?;
        let text = before
            .pop()
            .and_then(|notice| notice.field('M'))
            .unwrap_or_default();
        Ok((before, crate::people::approval_id(&text)?))
    }
}
