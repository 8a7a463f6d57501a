//! The options of a `COPY`. The grammar turns the old spellings (`CSV HEADER`, `BINARY`) into the new ones.

use crate::scope::range_name;
use crate::sheet::{Copy, CopyDirection, CopyFormat, CopyHeader};
use crate::tree::Tree;

/// The copy in a `CopyStmt`.
pub(crate) fn of(node: &Tree) -> Copy {
    let program = node.is("is_program");
    let mut copy = Copy {
        direction: if node.is("is_from") {
            CopyDirection::From
        } else {
            CopyDirection::To
        },
        format: CopyFormat::Text,
        program,
        file: !program && node.text("filename").is_some(),
        relation: node.node("relation").map(range_name),
        columns: node
            .words("attlist")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        query: node.node("query").is_some(),
        delimiter: None,
        null: None,
        header: CopyHeader::Off,
        quote: None,
        escape: None,
        encoding: None,
    };
    let mut formats = 0;
    for option in node.nodes("options") {
        let word = option.node("arg").and_then(argument);
        match option.text("defname").unwrap_or_default() {
            "format" => {
                formats += 1;
                copy.format = format(word.as_deref());
            }
            "delimiter" => copy.delimiter = word,
            "null" => copy.null = word,
            "header" => copy.header = header(option, word.as_deref()),
            "quote" => copy.quote = word,
            "escape" => copy.escape = word,
            "encoding" => copy.encoding = word,
            _ => {}
        }
    }
    // The server refuses a second format; what it would mean is not for us to guess.
    if formats > 1 {
        copy.format = CopyFormat::Other;
    }
    copy
}

fn format(word: Option<&str>) -> CopyFormat {
    match word {
        Some("text") => CopyFormat::Text,
        Some("csv") => CopyFormat::Csv,
        Some("binary") => CopyFormat::Binary,
        _ => CopyFormat::Other,
    }
}

fn header(option: &Tree, word: Option<&str>) -> CopyHeader {
    if option.node("arg").is_none() {
        return CopyHeader::On;
    }
    match word.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "on" | "1") => CopyHeader::On,
        Some("false" | "off" | "0") => CopyHeader::Off,
        Some("match") => CopyHeader::Match,
        _ => CopyHeader::Other,
    }
}

/// An option's argument as text, whichever way it was written.
pub(crate) fn argument(node: &Tree) -> Option<String> {
    match node.kind {
        "String" => Some(node.text("sval").unwrap_or_default().to_owned()),
        "Integer" => Some(node.int("ival").to_string()),
        "Boolean" => Some(node.is("boolval").to_string()),
        "Float" => node.text("fval").map(str::to_owned),
        _ => None,
    }
}
