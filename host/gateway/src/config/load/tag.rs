//! Column and field tags and treatments of the policy folder.

use super::super::policy::{ColumnTag, FieldNames, FieldTag, Glob, Treatment, TreatmentChoice};
use super::super::written::at::At;
use super::super::written::policy as written;
use super::super::written::read::{Entry, Reader};
use super::check::{required, some_globs, word};
use super::column;
use super::policy::place;

/// One `[[column]]`.
pub(super) fn tag(
    reader: &mut Reader<'_>,
    file: &str,
    entry: &Entry<written::Column>,
) -> Option<ColumnTag> {
    let written = &entry.value;
    let remedy = "Write column = \"public.patients.ssn\".";
    let at = required(reader, entry, "column", "column", &written.column, remedy);
    let about = at.map_or("column".to_owned(), |at| format!("column \"{}\"", at.value));
    let remedy = "Say what it holds: kind = \"phi.ssn\".";
    let kind = required(reader, entry, &about, "kind", &written.kind, remedy);
    let kind = kind.and_then(|at| kind_name(reader, &about, at, false));
    let resource = match &written.resource {
        Some(at) => word(reader, &format!("{about}: \"resource\""), at)?,
        None => "*".to_owned(),
    };
    let at = at?;
    match column::parse(&at.value) {
        Ok([schema, relation, column]) => Some(ColumnTag {
            resource: Glob::new(resource),
            schema,
            relation,
            column,
            kind: kind?,
            treatment: written.treatment.as_ref().map(|at| treatment(at.value)),
            place: place(reader, file, entry),
        }),
        Err(why) => {
            reader.report(&at.span, format!("{about}: {why}"), "");
            None
        }
    }
}

/// One `[[field]]`.
pub(super) fn field(
    reader: &mut Reader<'_>,
    file: &str,
    entry: &Entry<written::Field>,
) -> Option<FieldTag> {
    let written = &entry.value;
    let fields = match (&written.path, &written.name) {
        (Some(at), None) => {
            let path = word(reader, "field: \"path\"", at)?;
            Some((&at.value, FieldNames::Path(Glob::new(path))))
        }
        (None, Some(at)) => {
            let name = word(reader, "field: \"name\"", at)?.to_ascii_lowercase();
            Some((&at.value, FieldNames::Name(Glob::new(name))))
        }
        _ => {
            if !entry
                .dropped
                .iter()
                .any(|key| key == "path" || key == "name")
            {
                let remedy = "Write path = \"patients[].ssn\" or name = \"ssn\".";
                reader.report(
                    &entry.span,
                    "field: it needs one of \"path\" and \"name\"",
                    remedy,
                );
            }
            None
        }
    };
    let about = fields.as_ref().map_or("field".to_owned(), |(written, _)| {
        format!("field \"{written}\"")
    });
    let remedy = "Say what it holds: kind = \"phi.ssn\".";
    let kind = required(reader, entry, &about, "kind", &written.kind, remedy);
    let kind = kind.and_then(|at| kind_name(reader, &about, at, false));
    let resource = match &written.resource {
        Some(at) => word(reader, &format!("{about}: \"resource\""), at)?,
        None => "*".to_owned(),
    };
    Some(FieldTag {
        resource: Glob::new(resource),
        fields: fields?.1,
        kind: kind?,
        treatment: written.treatment.as_ref().map(|at| treatment(at.value)),
        place: place(reader, file, entry),
    })
}

/// One `[[treatment]]`.
pub(super) fn choice(
    reader: &mut Reader<'_>,
    file: &str,
    entry: &Entry<written::TreatmentChoice>,
) -> Option<TreatmentChoice> {
    let written = &entry.value;
    let remedy = "Say which: kind = \"phi.phone\", or kind = \"phi.*\".";
    let at = required(reader, entry, "treatment", "kind", &written.kind, remedy);
    let about = at.map_or("treatment".to_owned(), |at| {
        format!("treatment of \"{}\"", at.value)
    });
    let kind = at.and_then(|at| kind_name(reader, &about, at, true));
    let remedy = "Say what is done: use = \"redact\".";
    let treated = required(reader, entry, &about, "use", &written.treatment, remedy);
    let remedy = "Remove it for everyone.";
    let groups = written.groups.as_ref().map_or_else(Vec::new, |list| {
        some_globs(reader, &format!("{about}: \"groups\""), list, remedy)
    });
    Some(TreatmentChoice {
        kind: Glob::new(kind?),
        groups,
        treatment: treatment(treated?.value),
        place: place(reader, file, entry),
    })
}

/// Dotted lower-case words: `phi.date.birth`.
fn kind_name(reader: &mut Reader<'_>, about: &str, at: &At<String>, glob: bool) -> Option<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| letter(c) || (glob && c == '*'));
    let fits = at.value.len() <= 64 && at.value.split('.').all(part);
    if !fits {
        let what = format!("{about}: \"{}\" is not a kind", at.value);
        reader.report(
            &at.span,
            what,
            "Kinds are dotted words in lower case: phi.ssn, phi.date.birth.",
        );
    }
    fits.then(|| at.value.clone())
}

/// The treatment meant.
pub(super) fn treatment(written: written::Treatment) -> Treatment {
    match written {
        written::Treatment::Redact => Treatment::Redact,
        written::Treatment::Last4 => Treatment::Last4,
        written::Treatment::Null => Treatment::Null,
        written::Treatment::Year => Treatment::Year,
        written::Treatment::Zip3 => Treatment::Zip3,
        written::Treatment::Pseudonym => Treatment::Pseudonym,
        written::Treatment::Keep => Treatment::Keep,
    }
}
