//! What a whole column or path holds, from its name and type alone: `patient.birthDate` is a date of birth before
//! any row is seen. Names are split into words (`homePhone`, `home_phone`, `HOME-PHONE` are the same), and the first
//! rule whose words are all there decides.

use almoner_plugin_sdk::{Field, FieldFinding};

use crate::{Kind, Settings};

/// Kinds of the fields whose names tell.
pub(crate) fn classify(settings: &Settings, fields: &[Field]) -> Vec<FieldFinding> {
    (0..)
        .zip(fields)
        .filter_map(|(index, field)| {
            let (kind, confidence) = kind_of(field)?;
            // A note is read: what it says of the patient stays, and who the patient is goes.
            let read = kind == Kind::Note && !settings.whole_notes;
            let wanted = settings.reports(kind) && confidence >= settings.threshold() && !read;
            wanted.then_some(FieldFinding {
                field: index,
                kind: kind.index(),
                confidence,
            })
        })
        .collect()
}

/// A rule: the words that must all be there, words that must not, what it is, how sure.
struct Rule(&'static [&'static str], &'static [&'static str], Kind, u8);

/// In order: the specific before the general. Words are lower case; a trailing `*` stands for any ending.
const RULES: &[Rule] = &[
    Rule(&["ssn"], &[], Kind::Ssn, 98),
    Rule(&["social", "security"], &[], Kind::Ssn, 98),
    Rule(&["socialsecurity*"], &[], Kind::Ssn, 98),
    Rule(&["tax", "id"], &[], Kind::Ssn, 80),
    Rule(&["mrn"], &[], Kind::Mrn, 98),
    Rule(&["medical", "record"], &[], Kind::Mrn, 95),
    Rule(&["medicalrecord*"], &[], Kind::Mrn, 95),
    Rule(&["chart", "number"], &[], Kind::Mrn, 85),
    Rule(&["patient", "number"], &[], Kind::Mrn, 85),
    Rule(&["dob"], &[], Kind::BirthDate, 98),
    Rule(&["birth", "place"], &[], Kind::Address, 90),
    Rule(&["birthplace"], &[], Kind::Address, 90),
    Rule(
        &["birth*"],
        &["weight", "order", "name", "count", "sex"],
        Kind::BirthDate,
        95,
    ),
    Rule(&["born"], &[], Kind::BirthDate, 80),
    Rule(&["death", "date"], &[], Kind::Date, 95),
    Rule(&["deathdate"], &[], Kind::Date, 95),
    Rule(&["deceased"], &["flag", "boolean", "is"], Kind::Date, 80),
    Rule(&["email*"], &["verified", "sent", "count"], Kind::Email, 95),
    Rule(&["mail", "address"], &[], Kind::Email, 85),
    Rule(&["fax*"], &[], Kind::Fax, 95),
    Rule(&["phone*"], &["type", "verified"], Kind::Phone, 95),
    Rule(&["telephone*"], &[], Kind::Phone, 95),
    Rule(&["telecom"], &["system", "use", "rank"], Kind::Phone, 90),
    Rule(&["mobile"], &[], Kind::Phone, 80),
    Rule(&["tel"], &[], Kind::Phone, 80),
    Rule(&["ip", "address"], &[], Kind::Ip, 95),
    Rule(&["ipaddress*"], &[], Kind::Ip, 95),
    Rule(&["ip"], &[], Kind::Ip, 70),
    Rule(&["mac", "address"], &[], Kind::Device, 90),
    Rule(&["udi*"], &[], Kind::Device, 95),
    Rule(&["serial"], &[], Kind::Device, 80),
    Rule(&["serial*number"], &[], Kind::Device, 90),
    Rule(&["serialnumber"], &[], Kind::Device, 90),
    Rule(&["imei"], &[], Kind::Device, 95),
    Rule(&["vin"], &[], Kind::Vehicle, 85),
    Rule(&["plate"], &["count"], Kind::Vehicle, 70),
    Rule(&["zip*"], &[], Kind::Zip, 95),
    Rule(&["postal*"], &[], Kind::Zip, 95),
    Rule(&["postcode"], &[], Kind::Zip, 95),
    Rule(&["street*"], &[], Kind::Address, 90),
    Rule(
        &["address*"],
        &["type", "use", "country"],
        Kind::Address,
        90,
    ),
    Rule(&["addr*"], &["type"], Kind::Address, 85),
    Rule(&["city"], &[], Kind::Address, 85),
    Rule(&["county"], &[], Kind::Address, 80),
    Rule(&["district"], &[], Kind::Address, 70),
    Rule(&["lat"], &[], Kind::Address, 80),
    Rule(&["lon"], &[], Kind::Address, 80),
    Rule(&["latitude"], &[], Kind::Address, 85),
    Rule(&["longitude"], &[], Kind::Address, 85),
    Rule(&["member", "id"], &[], Kind::Plan, 90),
    Rule(&["memberid"], &[], Kind::Plan, 90),
    Rule(&["subscriber"], &[], Kind::Plan, 75),
    Rule(&["subscriberid"], &[], Kind::Plan, 90),
    Rule(&["policy", "number"], &[], Kind::Plan, 85),
    Rule(&["beneficiary"], &[], Kind::Plan, 75),
    Rule(&["mbi"], &[], Kind::Plan, 95),
    Rule(&["medicare", "id"], &[], Kind::Plan, 90),
    Rule(&["medicaid", "id"], &[], Kind::Plan, 90),
    Rule(&["account", "number"], &[], Kind::Account, 90),
    Rule(&["accountnumber"], &[], Kind::Account, 90),
    Rule(&["acct*"], &[], Kind::Account, 80),
    Rule(&["iban"], &[], Kind::Account, 95),
    Rule(&["card", "number"], &[], Kind::Account, 90),
    Rule(&["drivers"], &[], Kind::License, 85),
    Rule(&["driver", "license"], &[], Kind::License, 90),
    Rule(&["license", "number"], &[], Kind::License, 85),
    Rule(&["passport"], &[], Kind::License, 90),
    Rule(&["npi"], &[], Kind::License, 80),
    Rule(&["dea"], &[], Kind::License, 80),
    Rule(&["photo*"], &[], Kind::Biometric, 85),
    Rule(&["fingerprint*"], &[], Kind::Biometric, 85),
    Rule(&["biometric*"], &[], Kind::Biometric, 90),
    Rule(&["first", "name"], &[], Kind::Name, 98),
    Rule(&["last", "name"], &[], Kind::Name, 98),
    Rule(&["middle", "name"], &[], Kind::Name, 95),
    Rule(&["firstname"], &[], Kind::Name, 98),
    Rule(&["lastname"], &[], Kind::Name, 98),
    Rule(&["fullname"], &[], Kind::Name, 98),
    Rule(&["surname"], &[], Kind::Name, 98),
    Rule(&["maiden"], &[], Kind::Name, 95),
    Rule(&["given"], &["date", "dose"], Kind::Name, 90),
    Rule(
        &["family"],
        &["history", "hx", "size", "income"],
        Kind::Name,
        80,
    ),
    Rule(&["nickname"], &[], Kind::Name, 90),
    Rule(&["patient", "name"], &[], Kind::Name, 98),
    Rule(&["patientname"], &[], Kind::Name, 98),
    Rule(&["contact", "name"], &[], Kind::Name, 95),
    Rule(&["provider", "name"], &[], Kind::Name, 85),
    Rule(&["physician"], &["id", "type", "specialty"], Kind::Name, 75),
    Rule(
        &["hospital"],
        &["days", "stay", "course"],
        Kind::Facility,
        70,
    ),
    Rule(&["facility"], &["type", "code"], Kind::Facility, 70),
    Rule(&["url"], &[], Kind::Url, 75),
    Rule(&["website"], &[], Kind::Url, 85),
    Rule(&["uuid"], &[], Kind::Id, 70),
    Rule(&["guid"], &[], Kind::Id, 70),
    Rule(&["admit*", "date"], &[], Kind::Date, 85),
    Rule(&["admission", "date"], &[], Kind::Date, 85),
    Rule(&["discharge", "date"], &[], Kind::Date, 85),
    Rule(&["service", "date"], &[], Kind::Date, 85),
    Rule(&["encounter", "date"], &[], Kind::Date, 85),
    Rule(&["visit", "date"], &[], Kind::Date, 85),
    Rule(&["note*"], &["type", "id", "code", "count"], Kind::Note, 60),
    Rule(&["narrative"], &[], Kind::Note, 60),
    Rule(&["comment*"], &["id", "count"], Kind::Note, 60),
];

/// Containers whose plain `name` or `id` is a person's.
const PEOPLE: &[&str] = &[
    "patient*",
    "person*",
    "people",
    "member*",
    "subscriber*",
    "guarantor*",
    "contact*",
    "practitioner*",
    "provider*",
    "physician*",
    "doctor*",
    "nurse*",
    "employee*",
    "user*",
    "relatedperson",
    "next",
    "kin",
    "staff",
];

/// Columns that are part of a name in a table of people, and anything elsewhere.
const NAME_PARTS: &[&str] = &["first", "last", "middle"];

/// Types that hold a point in time. In a clinical database each is part of a date of care, unless it is bookkeeping.
const DATE_TYPES: &[&str] = &["date", "timestamp*", "datetime*", "instant"];

/// Confidence of a date type alone: clinical databases date everything, audit columns included.
const DATE_TYPE_CONFIDENCE: u8 = 60;

/// Whether the field holds names of people.
pub(crate) fn is_name(field: &Field) -> bool {
    matches!(kind_of(field), Some((Kind::Name, _)))
}

fn kind_of(field: &Field) -> Option<(Kind, u8)> {
    let words = words(&field.path);
    let container = self::words(&field.container);
    if let Some(Rule(_, _, kind, confidence)) = RULES.iter().find(|rule| rule.fits(&words)) {
        return Some((*kind, *confidence));
    }
    let about_people = |words: &[String]| PEOPLE.iter().any(|p| words.iter().any(|w| like(p, w)));
    let has = |word: &str| words.iter().any(|w| w == word);
    if has("name") && !has("use") && (about_people(&container) || about_people(&words)) {
        return Some((Kind::Name, 85));
    }
    if let ([part], true) = (words.as_slice(), about_people(&container))
        && NAME_PARTS.contains(&part.as_str())
    {
        return Some((Kind::Name, 90));
    }
    let declared = field.declared_type.to_lowercase();
    if DATE_TYPES.iter().any(|t| like(t, declared.trim())) {
        return Some((Kind::Date, DATE_TYPE_CONFIDENCE));
    }
    None
}

impl Rule {
    fn fits(&self, words: &[String]) -> bool {
        let has = |pattern: &&str| words.iter().any(|word| like(pattern, word));
        self.0.iter().all(&has) && !self.1.iter().any(has)
    }
}

fn like(pattern: &str, word: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == word,
        Some((head, tail)) => {
            word.len() >= head.len() + tail.len() && word.starts_with(head) && word.ends_with(tail)
        }
    }
}

/// `Patient.homePhone[0]` as `patient home phone`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = ' ';
    for c in name.chars() {
        let new_word = c.is_uppercase() && previous.is_lowercase();
        if (new_word || !c.is_alphabetic()) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(container: &str, path: &str, declared_type: &str) -> Option<Kind> {
        let field = Field {
            container: container.into(),
            path: path.into(),
            declared_type: declared_type.into(),
            ..Field::default()
        };
        kind_of(&field).map(|(kind, _)| kind)
    }

    #[test]
    fn names_of_columns_and_paths_tell() {
        for (container, path, expected) in [
            ("patients", "SSN", Kind::Ssn),
            ("patients", "BIRTHDATE", Kind::BirthDate),
            ("Patient", "birthDate", Kind::BirthDate),
            ("Patient", "name[0].family", Kind::Name),
            ("Patient", "name.given", Kind::Name),
            ("Patient", "telecom[1].value", Kind::Phone),
            ("Patient", "address[0].line", Kind::Address),
            ("public.patient", "home_phone", Kind::Phone),
            ("public.patient", "emailAddress", Kind::Email),
            ("public.patient", "name", Kind::Name),
            ("patients", "MAIDEN", Kind::Name),
            ("patients", "FIRST", Kind::Name),
            ("patients", "LAST", Kind::Name),
            ("persons", "first_name", Kind::Name),
            ("patients", "ZIP", Kind::Zip),
            ("patients", "DRIVERS", Kind::License),
            ("Device", "udiCarrier.deviceIdentifier", Kind::Device),
            ("notes", "note_text", Kind::Note),
            ("visit", "mrn", Kind::Mrn),
        ] {
            assert_eq!(
                kind(container, path, "text"),
                Some(expected),
                "{container}.{path}"
            );
        }
    }

    #[test]
    fn clinical_columns_are_not_identifiers() {
        for (container, path) in [
            ("drug", "name"),
            ("conditions", "code"),
            ("observations", "value"),
            ("patients", "birth_weight"),
            ("patients", "family_history"),
            ("patients", "gender"),
            ("visits", "last"),
            ("medications", "dose_given"),
        ] {
            assert_eq!(kind(container, path, "text"), None, "{container}.{path}");
        }
    }

    #[test]
    fn notes_are_read_unless_they_are_to_go_as_a_whole() {
        let field = Field {
            container: "notes".into(),
            path: "note_text".into(),
            ..Field::default()
        };
        let fields = [field];
        assert_eq!(classify(&Settings::default(), &fields), []);
        let whole = Settings {
            whole_notes: true,
            ..Settings::default()
        };
        let found = classify(&whole, &fields);
        assert_eq!(found.first().map(|f| f.kind), Some(Kind::Note.index()));
    }

    #[test]
    fn a_date_type_is_a_date() {
        assert_eq!(kind("encounters", "start", "timestamptz"), Some(Kind::Date));
        assert_eq!(kind("encounters", "start", "int4"), None);
    }
}
