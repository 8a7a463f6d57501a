//! `almoner audit show`: a record in full, or the records of an exchange in their order.

use almoner_ledger::BodyRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::output::{Colour, Exit, Output, clean};
use super::trail::{Source, Trail, said};
use crate::admin::client::Search;
use crate::admin::status::RecordView;

/// Records of one exchange that are shown at most: its answer's windows may be very many.
const RECORDS_MAX: usize = 500;

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A record's number, or an exchange
    #[arg(value_name = "SEQ|EXCHANGE")]
    what: String,
    /// Show what is stored beside the records as well: requests and responses, as masked
    #[arg(long)]
    body: bool,
}

pub(super) fn run(args: &Args, source: &Source, output: &Output) -> Result<(), Exit> {
    let trail = source.open(output)?;
    let records = match args.what.parse::<u64>() {
        Ok(seq) => vec![trail.record(seq, output)?],
        Err(_) => of_exchange(&trail, &args.what, output)?,
    };
    let mut documents = Vec::new();
    for found in &records {
        let bodies = if args.body {
            bodies(&trail, found, output)?
        } else {
            Vec::new()
        };
        print(found, &bodies, output);
        documents.push(document(found, &bodies));
    }
    output.json(&documents);
    Ok(())
}

fn of_exchange(trail: &Trail, exchange: &str, output: &Output) -> Result<Vec<RecordView>, Exit> {
    let search = Search {
        exchange: Some(exchange.to_owned()),
        limit: Some(RECORDS_MAX),
        ..Search::default()
    };
    let mut page = trail.search(&search, output)?;
    if page.records.is_empty() {
        return Err(said(
            &format!("no record is of an exchange {exchange:?}"),
            output,
        ));
    }
    if page.before.is_some() {
        output.note(format_args!(
            "only the last {RECORDS_MAX} records are shown"
        ));
    }
    page.records.reverse();
    Ok(page.records)
}

/// The bodies that the record refers to, as far as they are there.
fn bodies(
    trail: &Trail,
    found: &RecordView,
    output: &Output,
) -> Result<Vec<(BodyRef, Vec<u8>)>, Exit> {
    let references = references(&found.record).into_iter();
    references
        .map(|about| {
            trail
                .body(found.seq, &about.name, output)
                .map(|bytes| (about, bytes))
        })
        .collect()
}

fn references(record: &Value) -> Vec<BodyRef> {
    let bodies = record.get("bodies").cloned().unwrap_or_default();
    serde_json::from_value(bodies).unwrap_or_default()
}

fn print(found: &RecordView, bodies: &[(BodyRef, Vec<u8>)], output: &Output) {
    let text = |name: &str| {
        found
            .record
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("?")
    };
    let heading = format!("record {}  {}  {}", found.seq, text("kind"), text("time"));
    output.line(output.paint(Colour::Bold, &heading));
    output.line(format_args!("  {:<14} {}", "hash", clean(&found.hash)));
    for (name, value) in found.record.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "kind" | "time" | "seq" | "bodies") {
            output.line(format_args!("  {:<14} {}", clean(name), shown(value)));
        }
    }
    for about in references(&found.record) {
        let BodyRef {
            name,
            media,
            len,
            hash,
            ..
        } = about;
        output.line(format_args!(
            "  {:<14} {}, {len} bytes, {hash}",
            format!("body {}", clean(&name)),
            clean(&media)
        ));
        for (_, bytes) in bodies.iter().filter(|(about, _)| about.name == name) {
            // Marked line by line: a body must not pass for the record around it.
            for line in clean(&String::from_utf8_lossy(bytes)).lines() {
                output.line(format_args!("    | {line}"));
            }
        }
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    clean(&text).replace(['\n', '\t'], " ")
}

/// For programs: the record, and its bodies as text where they are text.
fn document(found: &RecordView, bodies: &[(BodyRef, Vec<u8>)]) -> Value {
    let mut document = json!(found);
    if let (Value::Object(document), false) = (&mut document, bodies.is_empty()) {
        let of = |(about, bytes): &(BodyRef, Vec<u8>)| match std::str::from_utf8(bytes) {
            Ok(text) => json!({ "name": about.name, "media": about.media, "text": text }),
            Err(_) => {
                json!({ "name": about.name, "media": about.media, "base64": STANDARD.encode(bytes) })
            }
        };
        document.insert("bodies".to_owned(), bodies.iter().map(of).collect());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::super::super::output::Captured;
    use super::*;

    #[test]
    fn a_record_is_shown_field_by_field_and_its_bodies_are_marked() {
        let about = BodyRef::of("request", "text/plain", b"select 1");
        let record = json!({
            "bodies": [about.clone()], "kind": "denied", "note": "a\nb\u{1b}[2J", "seq": 7,
            "time": "2026-01-31T18:00:00.000001Z", "rows": 3,
        });
        let found = RecordView {
            seq: 7,
            hash: "ab".into(),
            record,
            line: None,
        };
        let out = Captured::default();
        let body = (about, b"select 1\nrecord 8  allow".to_vec());
        print(
            &found,
            &[body],
            &Output::to(false, out.clone(), Captured::default()),
        );
        let text = out.text();
        assert!(
            text.starts_with("record 7  denied  2026-01-31T18:00:00.000001Z\n"),
            "{text}"
        );
        assert!(text.contains("  note           a b\\u{1b}[2J\n"), "{text}");
        assert!(text.contains("  rows           3\n"), "{text}");
        assert!(
            text.contains("    | select 1\n    | record 8  allow\n"),
            "{text}"
        );
    }
}
