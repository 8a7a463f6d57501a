//! Numbers and codes that a label names: "MRN: ST-998877", "Medicare #AB-987654", "serial no. 0042-X".
//!
//! Such an identifier has no shape of its own, so the label is the evidence. Common words ("case", "group", "order")
//! need more of it: a sign such as `#` or `:` after them, or a number too long to be a count.

use crate::{
    Kind,
    lexicon::LABEL,
    page::{Page, Span},
    token::{Gap, Shape},
};

/// How much a label alone says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// An identifier follows.
    Clearly,
    /// An identifier follows if `:`, `#`, "number" or the like stands between, or it is long.
    Perhaps,
}

use Says::{Clearly, Perhaps};

/// Longer labels before shorter ones with the same first word.
const LABELS: &[(&[&str], Kind, Says)] = &[
    (&["mrn"], Kind::Mrn, Clearly),
    (&["mrns"], Kind::Mrn, Clearly),
    (&["empi"], Kind::Mrn, Clearly),
    (&["mpi"], Kind::Mrn, Perhaps),
    (&["emr"], Kind::Mrn, Perhaps),
    (&["ehr"], Kind::Mrn, Perhaps),
    (&["medical", "record", "number"], Kind::Mrn, Clearly),
    (&["medical", "record", "no"], Kind::Mrn, Clearly),
    (&["medical", "record"], Kind::Mrn, Clearly),
    (&["medical", "records"], Kind::Mrn, Perhaps),
    (&["medical", "id"], Kind::Mrn, Clearly),
    (&["record", "number"], Kind::Mrn, Clearly),
    (&["record"], Kind::Mrn, Perhaps),
    (&["records"], Kind::Mrn, Perhaps),
    (&["chart", "number"], Kind::Mrn, Clearly),
    (&["chart"], Kind::Mrn, Perhaps),
    (&["hospital", "number"], Kind::Mrn, Clearly),
    (&["hospital", "id"], Kind::Mrn, Clearly),
    (&["hospital"], Kind::Mrn, Perhaps),
    (&["patient", "id"], Kind::Mrn, Clearly),
    (&["patient", "identifier"], Kind::Mrn, Clearly),
    (&["patient", "number"], Kind::Mrn, Clearly),
    (&["patient", "no"], Kind::Mrn, Clearly),
    (&["patient"], Kind::Mrn, Perhaps),
    (&["patient's", "id"], Kind::Mrn, Clearly),
    (&["pt", "id"], Kind::Mrn, Clearly),
    (&["nhc"], Kind::Mrn, Clearly),
    (&["historia"], Kind::Mrn, Perhaps),
    (&["ssn"], Kind::Ssn, Clearly),
    (&["ssns"], Kind::Ssn, Clearly),
    (&["ss"], Kind::Ssn, Perhaps),
    (&["social", "security", "number"], Kind::Ssn, Clearly),
    (&["social", "security"], Kind::Ssn, Clearly),
    (&["social"], Kind::Ssn, Perhaps),
    (&["nass"], Kind::Ssn, Clearly),
    (&["nuss"], Kind::Ssn, Clearly),
    (&["itin"], Kind::Ssn, Clearly),
    (&["tin"], Kind::Ssn, Perhaps),
    (&["tax", "id"], Kind::Ssn, Clearly),
    (&["ein"], Kind::Ssn, Clearly),
    (&["member", "id"], Kind::Plan, Clearly),
    (&["member", "number"], Kind::Plan, Clearly),
    (&["member"], Kind::Plan, Perhaps),
    (&["policy", "number"], Kind::Plan, Clearly),
    (&["policy", "id"], Kind::Plan, Clearly),
    (&["policy"], Kind::Plan, Perhaps),
    (&["group", "number"], Kind::Plan, Clearly),
    (&["group"], Kind::Plan, Perhaps),
    (&["subscriber"], Kind::Plan, Perhaps),
    (&["insurance", "number"], Kind::Plan, Clearly),
    (&["insurance", "id"], Kind::Plan, Clearly),
    (&["insurance", "policy"], Kind::Plan, Clearly),
    (&["insurance", "plan"], Kind::Plan, Clearly),
    (&["insurance"], Kind::Plan, Perhaps),
    (&["insured"], Kind::Plan, Perhaps),
    (&["health", "plan"], Kind::Plan, Clearly),
    (&["health", "insurance"], Kind::Plan, Clearly),
    (&["health", "id"], Kind::Plan, Clearly),
    (&["plan", "id"], Kind::Plan, Clearly),
    (&["plan", "number"], Kind::Plan, Clearly),
    (&["plan"], Kind::Plan, Perhaps),
    (&["beneficiary"], Kind::Plan, Perhaps),
    (&["ins"], Kind::Plan, Perhaps),
    (&["medicare"], Kind::Plan, Perhaps),
    (&["medicaid"], Kind::Plan, Perhaps),
    (&["aetna"], Kind::Plan, Perhaps),
    (&["cigna"], Kind::Plan, Perhaps),
    (&["humana"], Kind::Plan, Perhaps),
    (&["anthem"], Kind::Plan, Perhaps),
    (&["unitedhealthcare"], Kind::Plan, Perhaps),
    (&["molina"], Kind::Plan, Perhaps),
    (&["tricare"], Kind::Plan, Perhaps),
    (&["blue", "cross"], Kind::Plan, Perhaps),
    (&["mbi"], Kind::Plan, Clearly),
    (&["hicn"], Kind::Plan, Clearly),
    (&["hic"], Kind::Plan, Perhaps),
    (&["cip"], Kind::Plan, Perhaps),
    (&["claim"], Kind::Plan, Perhaps),
    (&["account", "number"], Kind::Account, Clearly),
    (&["account", "id"], Kind::Account, Clearly),
    (&["account"], Kind::Account, Perhaps),
    (&["accounts"], Kind::Account, Perhaps),
    (&["acct"], Kind::Account, Clearly),
    (&["bank"], Kind::Account, Perhaps),
    (&["billing"], Kind::Account, Perhaps),
    (&["invoice"], Kind::Account, Perhaps),
    (&["routing"], Kind::Account, Perhaps),
    (&["card"], Kind::Account, Perhaps),
    (&["iban"], Kind::Account, Clearly),
    (&["har"], Kind::Account, Perhaps),
    (&["fin"], Kind::Account, Perhaps),
    (&["csn"], Kind::Account, Perhaps),
    (&["license", "plate"], Kind::Vehicle, Clearly),
    (&["license-plate"], Kind::Vehicle, Clearly),
    (&["license", "number"], Kind::License, Clearly),
    (&["license"], Kind::License, Perhaps),
    (&["licence"], Kind::License, Perhaps),
    (&["lic"], Kind::License, Perhaps),
    (&["dl"], Kind::License, Perhaps),
    (&["driver's", "license"], Kind::License, Clearly),
    (&["drivers", "license"], Kind::License, Clearly),
    (&["driver", "license"], Kind::License, Clearly),
    (&["driver's", "licence"], Kind::License, Clearly),
    (&["passport"], Kind::License, Clearly),
    (&["certificate"], Kind::License, Perhaps),
    (&["certification"], Kind::License, Perhaps),
    (&["cert"], Kind::License, Perhaps),
    (&["cln"], Kind::License, Clearly),
    (&["dea"], Kind::License, Clearly),
    (&["npi"], Kind::License, Clearly),
    (&["upin"], Kind::License, Clearly),
    (&["dni"], Kind::License, Clearly),
    (&["nif"], Kind::License, Clearly),
    (&["nie"], Kind::License, Perhaps),
    (&["colegiado"], Kind::License, Clearly),
    (&["colegiada"], Kind::License, Clearly),
    (&["ncol"], Kind::License, Clearly),
    (&["nºcol"], Kind::License, Clearly),
    (&["registration"], Kind::License, Perhaps),
    (&["reg"], Kind::License, Perhaps),
    (&["serial", "number"], Kind::Device, Clearly),
    (&["serial", "no"], Kind::Device, Clearly),
    (&["serial"], Kind::Device, Perhaps),
    (&["sn"], Kind::Device, Perhaps),
    (&["device", "id"], Kind::Device, Clearly),
    (&["device"], Kind::Device, Perhaps),
    (&["implant"], Kind::Device, Perhaps),
    (&["pacemaker"], Kind::Device, Perhaps),
    (&["udi"], Kind::Device, Clearly),
    (&["imei"], Kind::Device, Clearly),
    (&["meid"], Kind::Device, Clearly),
    (&["vin"], Kind::Vehicle, Clearly),
    (&["vehicle", "id"], Kind::Vehicle, Clearly),
    (&["vehicle"], Kind::Vehicle, Perhaps),
    (&["plate", "number"], Kind::Vehicle, Clearly),
    (&["plates"], Kind::Vehicle, Perhaps),
    (&["plate"], Kind::Vehicle, Perhaps),
    (&["accession"], Kind::Id, Clearly),
    (&["acc"], Kind::Id, Perhaps),
    (&["case"], Kind::Id, Perhaps),
    (&["encounter"], Kind::Id, Perhaps),
    (&["visit"], Kind::Id, Perhaps),
    (&["order"], Kind::Id, Perhaps),
    (&["prescription"], Kind::Id, Perhaps),
    (&["rx"], Kind::Id, Perhaps),
    (&["specimen"], Kind::Id, Perhaps),
    (&["sample"], Kind::Id, Perhaps),
    (&["study", "id"], Kind::Id, Clearly),
    (&["trial", "id"], Kind::Id, Clearly),
    (&["subject", "id"], Kind::Id, Clearly),
    (&["participant"], Kind::Id, Perhaps),
    (&["employee"], Kind::Id, Perhaps),
    (&["staff", "id"], Kind::Id, Clearly),
    (&["badge"], Kind::Id, Perhaps),
    (&["student"], Kind::Id, Perhaps),
    (&["confirmation"], Kind::Id, Perhaps),
    (&["reference"], Kind::Id, Perhaps),
    (&["ref"], Kind::Id, Perhaps),
    (&["ticket"], Kind::Id, Perhaps),
    (&["tracking"], Kind::Id, Perhaps),
    (&["file"], Kind::Id, Perhaps),
    (&["folder"], Kind::Id, Perhaps),
    (&["episodio"], Kind::Id, Perhaps),
    (&["identifier"], Kind::Id, Perhaps),
    (&["identification"], Kind::Id, Perhaps),
    (&["ident"], Kind::Id, Perhaps),
    (&["ids"], Kind::Id, Perhaps),
    (&["id"], Kind::Id, Perhaps),
    (&["uid"], Kind::Id, Perhaps),
    (&["national", "id"], Kind::Id, Clearly),
    (&["military", "id"], Kind::Id, Clearly),
    (&["customer", "id"], Kind::Id, Clearly),
    (&["client", "id"], Kind::Id, Clearly),
    (&["user", "id"], Kind::Id, Clearly),
    (&["booking"], Kind::Id, Perhaps),
    (&["inmate"], Kind::Id, Perhaps),
];

/// Words between a label and its value.
const CONNECTORS: &[&str] = &[
    "number", "numbers", "no", "num", "nr", "nbr", "id", "ids", "identifier", "identification", "code", "is", "was", "of",
    "nº", "n", "policy", "member", "ending", "in", "with",
];

/// "on 7/29", "since 3/4": month and day after a word that says when. A score such as "pain at 7/10" has none.
pub(crate) fn short_date(page: &Page<'_>, index: usize) -> Option<Span> {
    let when = ["on", "since", "until", "till", "dated", "through", "by", "from", "before", "after"];
    let number = |at: usize| page.at(at).filter(|t| t.shape == Shape::Number).and_then(|_| page.text_at(at).parse::<u32>().ok());
    let told = index > 0 && page.is_one_of(index - 1, &when) && page.continues(index);
    if !told || !page.is_mark(index + 1, b'/') || page.is_mark(index + 3, b'/') {
        return None;
    }
    let (month, day) = (number(index)?, number(index + 2)?);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) || (1..=31).contains(&month) && (1..=12).contains(&day);
    let tight = (index + 1..=index + 2).all(|i| page.at(i).is_some_and(|t| t.gap == Gap::Tight));
    (fits && tight).then(|| page.span(index, index + 3, Kind::Date, 60)).flatten()
}

/// Tokens between a label and its value at most.
const CONNECTORS_MAX: usize = 6;

/// Bytes of a value at most.
const VALUE_BYTES_MAX: usize = 40;

/// The identifier that the label starting here names, if any.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is(index, LABEL) {
        return None;
    }
    let matches = |words: &[&str]| {
        (words.iter().enumerate()).all(|(k, word)| {
            page.is_one_of(index + k, &[word]) && (k == 0 || page.continues(index + k))
        })
    };
    let (words, kind, says) = LABELS.iter().filter(|(words, ..)| matches(words)).max_by_key(|(words, ..)| words.len())?;
    value(page, index + words.len(), *kind, *says)
}

/// The value after a label that ends before token `at`.
fn value(page: &Page<'_>, at: usize, kind: Kind, says: Says) -> Option<Span> {
    let mut sign = says == Clearly;
    let mut next = at;
    while next - at < CONNECTORS_MAX {
        let token = page.at(next)?;
        match token.shape {
            Shape::Mark(b':' | b'#' | b'=') => sign = true,
            Shape::Mark(b'(' | b'[' | b'.' | b'-' | b'"' | b'\'' | 0) => {}
            Shape::Mark(_) => return None,
            // In capitals only what is no code: "IN-789012" begins with one.
            Shape::Lower | Shape::Title | Shape::Upper
                if page.is_one_of(next, CONNECTORS)
                    && (token.shape != Shape::Upper || page.is_one_of(next, &["no", "id", "number", "num"])) =>
            {
                sign |= !page.is_one_of(next, &["is", "was", "of", "in", "with", "ending", "policy", "member", "n"]);
            }
            _ => break,
        }
        next += 1;
    }
    let start = page.at(next)?.start as usize;
    let text = value_text(page.text, start)?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let least = if sign { 2 } else { 5 };
    // A number over lines is the next entry of a list, unless a sign promised it.
    let apart = page.at(next).is_some_and(|t| t.gap == Gap::Line) && !sign;
    (digits >= least && text.len() >= 3 && !apart).then(|| Span {
        start: start as u32,
        end: (start + text.len()) as u32,
        kind,
        confidence: if says == Clearly { 95 } else { 80 },
    })
}

/// Letters and digits with marks between them; digits may stand in groups.
fn value_text(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..)?.as_bytes();
    let mut end = 0;
    while let Some(&byte) = rest.get(end).filter(|_| end < VALUE_BYTES_MAX) {
        let next = rest.get(end + 1);
        let before = end.checked_sub(1).and_then(|i| rest.get(i));
        let joins = match byte {
            b'-' | b'/' | b'_' | b'.' | b'*' => next.is_some_and(u8::is_ascii_alphanumeric),
            b' ' => {
                before.is_some_and(u8::is_ascii_digit) && next.is_some_and(u8::is_ascii_digit)
            }
            byte => byte.is_ascii_alphanumeric(),
        };
        // Dashes other than ASCII join as well.
        if !joins {
            let dash = text.get(start + end..).and_then(|t| t.chars().next());
            match dash {
                Some(c @ ('\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}' | '\u{200b}')) => {
                    end += c.len_utf8();
                    continue;
                }
                _ => break,
            }
        }
        end += 1;
    }
    // A dash at the end belongs to the sentence.
    let value = text.get(start..start + end)?;
    Some(value.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
}
