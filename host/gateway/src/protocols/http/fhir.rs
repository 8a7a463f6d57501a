//! What FHIR R4 says about its elements: which of them tell who somebody is, in any resource, and which are
//! clinical and stay byte for byte. A table over names, since elements of one name have one type nearly
//! everywhere. Extensions that are not known are closed.

/// What an element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// A code, unit or reference: stays as it is.
    Clinical,
    /// Anything else that is written down: searched.
    Free,
    /// An identifier of this kind.
    Kind(&'static str),
    /// A point in time, of any precision.
    Date,
    /// A point in time to the second or finer; a year alone would not be one.
    Instant,
    /// XHTML for people.
    Narrative,
    /// Bytes in base64.
    Binary,
}

/// Codes and references are short and without blanks; what is longer may be anything.
const CODE_BYTES_MAX: usize = 200;

/// Extensions whose values identify nobody. All others are closed.
const KNOWN_EXTENSIONS: [&str; 9] = [
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-genderIdentity",
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "http://hl7.org/fhir/StructureDefinition/patient-genderIdentity",
    "http://synthetichealth.github.io/synthea/disability-adjusted-life-years",
    "http://synthetichealth.github.io/synthea/quality-adjusted-life-years",
];

/// Elements of type Coding: their `display` is a term. Everywhere else `display` is whom a reference means.
const CODINGS: [&str; 10] = [
    "coding",
    "valueCoding",
    "class",
    "modality",
    "security",
    "tag",
    "format",
    "laterality",
    "sopClass",
    "bodySite",
];

/// Whether an extension's values identify nobody.
pub(super) fn is_known_extension(url: &str) -> bool {
    KNOWN_EXTENSIONS.contains(&url)
}

/// Whether this is the name of a resource type, as `resourceType` has it.
pub(super) fn is_resource_type(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// What a string element holds. `parent` is the element around it, empty in a resource itself.
pub(super) fn text(resource: &str, parent: &str, name: &str, value: &str) -> Element {
    match (parent, name) {
        ("text", "div") | (_, "div") => Element::Narrative,
        (_, "family" | "given" | "prefix" | "suffix") | ("name", "text") => {
            Element::Kind("phi.name")
        }
        ("", "name" | "alias") => named(resource),
        (_, "line" | "city" | "district") | ("address" | "valueAddress", "text") => {
            Element::Kind("phi.address")
        }
        (_, "postalCode") => Element::Kind("phi.zip"),
        ("telecom" | "valueContactPoint" | "contactPoint", "value") => {
            Element::Kind(if value.contains('@') {
                "phi.email"
            } else {
                "phi.phone"
            })
        }
        (parent, "value") if is_identifier(parent) => Element::Kind("phi.id"),
        (_, "birthDate") => Element::Kind("phi.date.birth"),
        (_, "data" | "hash" | "valueBase64Binary") => Element::Binary,
        ("photo" | "valueAttachment", "url") => Element::Kind("phi.biometric"),
        (parent, "display") if !CODINGS.contains(&parent) => Element::Kind("phi.name"),
        (_, "subscriberId") => Element::Kind("phi.plan"),
        (
            _,
            "serialNumber" | "carrierHRF" | "carrierAIDC" | "deviceIdentifier"
            | "distinctIdentifier",
        ) => Element::Kind("phi.device"),
        ("extension" | "modifierExtension", "url") => code(value),
        (
            _,
            "id"
            | "reference"
            | "fullUrl"
            | "versionId"
            | "resourceType"
            | "system"
            | "code"
            | "valueCode"
            | "status"
            | "use"
            | "intent"
            | "priority"
            | "mode"
            | "gender"
            | "language"
            | "linkType"
            | "currency"
            | "contentType"
            | "severity"
            | "criticality"
            | "relation"
            | "linkId"
            | "profile"
            | "comparator"
            | "instantiatesCanonical"
            | "method"
            | "etag",
        ) => code(value),
        // States are large enough for Safe Harbor.
        (_, "unit" | "state" | "country") => unit(value),
        (_, name) => match date(value) {
            Some(Precise::Second) if is_instant(name) => Element::Instant,
            Some(_) => Element::Date,
            None => Element::Free,
        },
    }
}

/// What a number or truth value is; they are not searched. Where FHIR wants a string that identifies, a number
/// in its place does the same.
pub(super) fn scalar(resource: &str, parent: &str, name: &str) -> Element {
    match (name, text(resource, parent, name, "")) {
        ("latitude" | "longitude", _) => Element::Kind("phi.address"),
        (_, Element::Clinical | Element::Free) => Element::Clinical,
        (_, identifying) => identifying,
    }
}

/// A resource's own `name` as a string: of a place, or of something that is no person.
fn named(resource: &str) -> Element {
    match resource {
        "Organization" | "Location" | "HealthcareService" | "Endpoint" => {
            Element::Kind("phi.facility")
        }
        "Patient" | "Person" | "RelatedPerson" | "Practitioner" => Element::Kind("phi.name"),
        _ => Element::Free,
    }
}

fn is_identifier(parent: &str) -> bool {
    parent.ends_with("dentifier") || parent == "requisition"
}

fn code(value: &str) -> Element {
    // A search in place of a reference (`Patient?identifier=…`) says who is meant.
    let fits = value.len() <= CODE_BYTES_MAX
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'@'))
        && !has_number_of_a_person(value);
    if fits {
        Element::Clinical
    } else {
        Element::Free
    }
}

/// Whether digits stand in it as in a social security or telephone number; codes have none like it.
fn has_number_of_a_person(value: &str) -> bool {
    let groups: Vec<&str> = value.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    groups.windows(3).any(|three| {
        let lengths: Vec<usize> = three.iter().map(|group| group.len()).collect();
        let digits = three
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
        digits && matches!(*lengths, [3, 2 | 3, 4])
    })
}

/// `mm[Hg]`, `10*3/uL`, `years old`: a word or two, without a number that could be one of somebody's.
fn unit(value: &str) -> Element {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    if value.len() <= 40 && digits <= 4 {
        Element::Clinical
    } else {
        Element::Free
    }
}

/// Elements of type instant.
fn is_instant(name: &str) -> bool {
    matches!(
        name,
        "lastUpdated" | "issued" | "timestamp" | "recorded" | "valueInstant" | "start" | "end"
    )
}

enum Precise {
    /// A month or a day.
    Day,
    Second,
}

/// Whether a string has the form of a FHIR date, dateTime or instant. A year alone tells no more than it may.
fn date(value: &str) -> Option<Precise> {
    let digits = |range: std::ops::Range<usize>| {
        value
            .get(range)
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let at = |index: usize, byte: u8| value.as_bytes().get(index) == Some(&byte);
    if !(digits(0..4) && at(4, b'-') && digits(5..7)) {
        return None;
    }
    if value.len() == 7 {
        return Some(Precise::Day);
    }
    if !(at(7, b'-') && digits(8..10)) {
        return None;
    }
    if value.len() == 10 {
        return Some(Precise::Day);
    }
    let time = value.get(11..)?;
    let fits = (at(10, b'T') || at(10, b' '))
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b":.+-Z".contains(&byte));
    fits.then_some(Precise::Second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_that_tell_who_somebody_is() {
        for (resource, parent, name, value, expected) in [
            ("Patient", "name", "family", "Garcia", "phi.name"),
            ("Patient", "contact", "given", "Ann", "phi.name"),
            ("Patient", "name", "text", "Ann Garcia", "phi.name"),
            (
                "RelatedPerson",
                "address",
                "line",
                "1 Elm St",
                "phi.address",
            ),
            ("Practitioner", "address", "postalCode", "02139", "phi.zip"),
            ("Patient", "telecom", "value", "617-555-0101", "phi.phone"),
            ("Patient", "telecom", "value", "a@example.org", "phi.email"),
            ("Patient", "identifier", "value", "10334455", "phi.id"),
            (
                "Encounter",
                "valueIdentifier",
                "value",
                "10334455",
                "phi.id",
            ),
            (
                "DocumentReference",
                "masterIdentifier",
                "value",
                "x",
                "phi.id",
            ),
            ("Patient", "", "birthDate", "1957-03-15", "phi.date.birth"),
            (
                "Observation",
                "subject",
                "display",
                "Ann Garcia",
                "phi.name",
            ),
            ("Encounter", "individual", "display", "Dr. X", "phi.name"),
            ("Organization", "", "name", "Elm Clinic", "phi.facility"),
            ("Coverage", "", "subscriberId", "XQH1", "phi.plan"),
            ("Device", "udiCarrier", "carrierHRF", "(01)", "phi.device"),
        ] {
            assert_eq!(
                text(resource, parent, name, value),
                Element::Kind(expected),
                "{resource}.{parent}.{name}"
            );
        }
        assert_eq!(text("Patient", "text", "div", "<div/>"), Element::Narrative);
        assert_eq!(text("Binary", "", "data", "aGk="), Element::Binary);
        assert_eq!(text("Patient", "photo", "data", "aGk="), Element::Binary);
        assert_eq!(
            scalar("Location", "position", "latitude"),
            Element::Kind("phi.address")
        );
        assert_eq!(
            scalar("Patient", "identifier", "value"),
            Element::Kind("phi.id")
        );
        assert_eq!(
            scalar("Patient", "address", "postalCode"),
            Element::Kind("phi.zip")
        );
    }

    #[test]
    fn clinical_elements_stay() {
        for (parent, name, value) in [
            ("coding", "code", "718-7"),
            ("coding", "system", "http://loinc.org"),
            ("coding", "system", "urn:oid:2.16.840.1.113883.4.642"),
            ("", "id", "0b1e3a52-7c1d-4a55-9d3e-6f0a1b2c3d4e"),
            ("valueQuantity", "unit", "mm[Hg]"),
            ("valueQuantity", "code", "10*3/uL"),
            ("", "status", "final"),
            ("", "gender", "female"),
            ("address", "state", "New York"),
            ("subject", "reference", "Patient/7"),
            ("subject", "reference", "urn:uuid:0b1e"),
            ("", "id", "a-1"),
        ] {
            assert_eq!(
                text("Observation", parent, name, value),
                Element::Clinical,
                "{parent}.{name}"
            );
        }
        assert_eq!(
            text("Observation", "coding", "display", "Body weight"),
            Element::Free
        );
        assert_eq!(
            scalar("Observation", "valueQuantity", "value"),
            Element::Clinical
        );
    }

    #[test]
    fn what_is_no_code_is_searched_whatever_it_is_called() {
        for (name, value) in [
            ("code", "Ann Garcia"),
            ("reference", "Patient?name=x"),
            ("id", "a@example.org"),
            ("id", "219-09-9999"),
            ("reference", "Patient/219-09-9999"),
            ("system", "tel:+1-617-555-0101"),
            ("code", "(617)555-0101"),
        ] {
            assert_eq!(
                text("Observation", "x", name, value),
                Element::Free,
                "{name}"
            );
        }
        assert_eq!(text("Observation", "x", "unit", "10334455"), Element::Free);
    }

    #[test]
    fn dates_are_known_by_their_form() {
        let of = |name, value| text("Observation", "", name, value);
        assert_eq!(
            of("effectiveDateTime", "2024-03-15T10:00:00+01:00"),
            Element::Date
        );
        assert_eq!(of("authoredOn", "2024-03"), Element::Date);
        assert_eq!(of("issued", "2024-03-15T10:00:00.000Z"), Element::Instant);
        assert_eq!(of("issued", "2024-03-15"), Element::Date);
        for value in ["2024", "2024-3", "2024-03-15x", "718-7", "12:00:00"] {
            assert_eq!(of("x", value), Element::Free, "{value}");
        }
    }
}
