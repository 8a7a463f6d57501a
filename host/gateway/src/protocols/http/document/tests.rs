//! Documents taken apart and put together again: what is a cell, where it stands, what it is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::config::policy::{FieldNames, FieldTag, Glob, Place};
use crate::policy::{CellText, ColumnFacts, Part, Provenance, Replacement};

fn read(text: &str, tags: &[FieldTag]) -> (Vec<Piece>, Vec<ColumnFacts>, u64) {
    let mut columns = Columns::new("fhir", "application/json", tags);
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let read = pieces(&bytes, &mut columns, 2026, None).ok().unwrap();
    (read.pieces, columns.into_facts(), read.rows)
}

fn write(pieces: &[Piece]) -> String {
    let mut out = BytesMut::new();
    for piece in pieces {
        piece.write(&mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

/// Each cell: its field, its text (`#` for typed ones), what is known of it.
fn cells(text: &str, tags: &[FieldTag]) -> Vec<(String, String, Provenance)> {
    let (pieces, facts, _) = read(text, tags);
    let mut found = Vec::new();
    for piece in &pieces {
        piece.visit(&mut |_, column, _, content| {
            let facts = &facts[column];
            let field = format!("{}|{}", facts.field.container, facts.field.path);
            let text = match content {
                CellText::Text(text) => text.into_owned(),
                CellText::Typed => "#".to_owned(),
            };
            found.push((field, text, facts.provenance.clone()));
        });
    }
    found
}

fn tagged(kind: &str) -> Provenance {
    Provenance::Tagged {
        kind: kind.into(),
        treatment: None,
    }
}

fn tag(fields: FieldNames) -> FieldTag {
    FieldTag {
        resource: Glob::new("*"),
        fields,
        kind: "phi.id".into(),
        treatment: None,
        place: Place::default(),
    }
}

#[test]
fn values_stand_at_paths_with_lists_as_one() {
    let text = r#"{"people":[{"name":{"last":"Garcia"}},{"name":{"last":"Okafor"}}],"n":7}"#;
    let proven = Provenance::Proven;
    let at = "people[].name|name.last".to_owned();
    assert_eq!(
        cells(text, &[]),
        [
            (at.clone(), "Garcia".to_owned(), proven.clone()),
            (at, "Okafor".to_owned(), proven.clone()),
            ("|n".to_owned(), "#".to_owned(), proven),
        ]
    );
}

#[test]
fn tags_count_for_what_is_within_and_in_any_order_of_names() {
    let text = r#"{"a":{"b":["x",1,{"c":"y"}]},"SSN":"1","z":{"ssn":2}}"#;
    let by_path = [tag(FieldNames::Path(Glob::new("a.b")))];
    let tagged_texts = |tags: &[FieldTag]| -> Vec<String> {
        cells(text, tags)
            .into_iter()
            .filter(|(_, _, provenance)| *provenance == tagged("phi.id"))
            .map(|(_, text, _)| text)
            .collect()
    };
    assert_eq!(tagged_texts(&by_path), ["x", "#", "y"]);
    let by_name = [tag(FieldNames::Name(Glob::new("ssn")))];
    assert_eq!(tagged_texts(&by_name), ["1", "#"]);
    let fhir = r#"{"entry":[{"resource":{"id":"7","resourceType":"Patient"}}]}"#;
    let found = cells(fhir, &[tag(FieldNames::Path(Glob::new("Patient.id")))]);
    assert_eq!(
        found,
        [("Patient|id".to_owned(), "7".to_owned(), tagged("phi.id"))]
    );
}

#[test]
fn a_resource_is_known_wherever_its_type_stands_in_it() {
    let text = r#"{"contained":[{"name":[{"family":"Garcia"}],"resourceType":"Patient"}],"code":{"text":"x"},"resourceType":"Observation"}"#;
    let found = cells(text, &[]);
    assert_eq!(found[0].0, "Patient.name[]|name.family");
    assert_eq!(found[0].2, tagged("phi.name"));
    assert_eq!(
        found[1],
        (
            "Observation.code|code.text".to_owned(),
            "x".to_owned(),
            Provenance::Proven
        )
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn extensions_that_nobody_knows_are_closed_with_all_that_is_in_them() {
    let unknown = r#"{"resourceType":"Patient","extension":[{"url":"http://x/y","valueString":"v","n":1,"extension":[{"url":"z","valueCode":"c"}]}]}"#;
    let closed = cells(unknown, &[]);
    assert_eq!(closed.len(), 3, "{closed:?}");
    assert!(
        closed
            .iter()
            .all(|(_, _, provenance)| *provenance == Provenance::Unproven)
    );
    // One known and one unknown name is unknown; a name without a scheme is known within a known one only.
    for doubtful in [
        r#"{"resourceType":"Patient","extension":[{"url":"http://x/y","valueString":"v","url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}"#,
        r#"{"resourceType":"Patient","extension":[{"url":"text","valueString":"v"}]}"#,
        r#"{"resourceType":"Patient","extension":[{"valueString":"v"}]}"#,
        r#"{"resourceType":"Patient","extension":["v"]}"#,
        r#"{"resourceType":"Patient","extension":{"url":"http://x","valueString":"v"}}"#,
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://x","valueDateTime":"2000-01-01"}]}}"#,
    ] {
        let found = cells(doubtful, &[]);
        assert!(
            !found.is_empty()
                && found
                    .iter()
                    .all(|(_, _, provenance)| *provenance == Provenance::Unproven),
            "{doubtful}: {found:?}"
        );
    }
    let known = r#"{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"text","valueString":"White"}]}]}"#;
    assert_eq!(cells(known, &[])[0].2, Provenance::Proven);
}

#[test]
fn json_in_a_string_is_read_one_level_deep() {
    let text = r#"{"note":"{\"ssn\":\"1\",\"in\":\"{\\\"ssn\\\":\\\"2\\\"}\"} "}"#;
    let found = cells(text, &[]);
    let texts: Vec<&str> = found.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["#", "1", "{\"ssn\":\"2\"}"]);
    let (mut pieces, _, _) = read(text, &[]);
    assert_eq!(write(&pieces), text);
    pieces[0].replace(1, Replacement::Text("[SSN]".to_owned()));
    assert_eq!(
        write(&pieces),
        r#"{"note":"{\"ssn\":\"[SSN]\",\"in\":\"{\\\"ssn\\\":\\\"2\\\"}\"} "}"#
    );
    // What is decided about the whole goes first.
    pieces[0].replace(0, Replacement::Null);
    assert_eq!(write(&pieces), r#"{"note":null}"#);
}

#[test]
fn replaced_values_leave_a_document_that_can_be_read() {
    let text = "{ \"a\" : \"x\" ,\"n\":-1.50e3, \"1234567\":true }";
    let (mut pieces, _, _) = read(text, &[]);
    for cell in 0..pieces[0].cells() {
        pieces[0].replace(cell, Replacement::Text("q\"\\\n".to_owned()));
    }
    assert_eq!(
        write(&pieces),
        "{ \"a\" : \"q\\\"\\\\\\n\" ,\"n\":null, \"q\\\"\\\\\\n\":null }"
    );
}

#[test]
fn records_are_entries_of_bundles_and_items_of_lists() {
    for (text, rows) in [
        ("[1,2,3]", 3),
        ("[]", 1),
        ("{\"total\":9,\"items\":[{\"x\":[1,2,3,4]},{}]}", 2),
        ("{\"a\":[1],\"b\":[1,2]}", 2),
        (
            "{\"resourceType\":\"Bundle\",\"link\":[1,2,3],\"entry\":[{},{}]}",
            2,
        ),
        ("{\"name\":[1,2,3],\"resourceType\":\"Patient\"}", 1),
        ("7", 1),
    ] {
        assert_eq!(read(text, &[]).2, rows, "{text}");
    }
}

#[test]
fn names_used_as_data_end_as_unproven() {
    let members: Vec<String> = (0..11_000).map(|n| format!("\"k{n}\":\"v\"")).collect();
    let text = format!("{{{}}}", members.join(","));
    let found = cells(&text, &[]);
    let unproven = found
        .iter()
        .filter(|(_, _, provenance)| *provenance == Provenance::Unproven);
    assert!(unproven.count() > 900);
    assert_eq!(write(&read(&text, &[]).0), text);
}

#[test]
fn a_large_document_is_cut_into_pieces() {
    let row = "{\"a\":\"b\",\"c\":[1,2]}";
    let text = format!("[{}]", vec![row; 20_000].join(","));
    let (pieces, _, rows) = read(&text, &[]);
    assert!(pieces.len() > 3 && rows == 20_000);
    assert!(
        pieces
            .iter()
            .all(|piece| piece.cells() <= PIECE_CELLS_MAX + 4)
    );
    assert_eq!(write(&pieces), text);
}

fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?",
        "\"([a-zé ]|\\\\n|\\\\u00e9|\\\\\"|\\{|\\[){0,8}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(
                (
                    "(resourceType|extension|url|contained|text|div|name|[a-c]{1,2}|[0-9]{5})",
                    inner
                ),
                0..4
            )
            .prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" :{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_not_replaced_passes_byte_for_byte(text in documents()) {
        prop_assert_eq!(write(&read(&text, &[]).0), text);
    }

    #[test]
    fn every_string_and_number_of_plain_documents_is_a_cell(text in documents()) {
        prop_assume!(!text.contains("resourceType"));
        let (pieces, _, _) = read(&text, &[]);
        let mut gone = pieces;
        for piece in &mut gone {
            for cell in 0..piece.cells() {
                piece.replace(cell, Replacement::Null);
            }
        }
        let left: serde_json::Value = serde_json::from_str(&write(&gone)).unwrap();
        prop_assert!(!has_value(&left), "{}", left);
    }
}

/// Whether anything but names, structure and nulls is left.
fn has_value(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => false,
        serde_json::Value::Array(items) => items.iter().any(has_value),
        serde_json::Value::Object(members) => members.values().any(has_value),
        _ => true,
    }
}
