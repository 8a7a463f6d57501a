//! What a regular expression can decide, declared once and run natively by the gateway over every cell.
//!
//! Word boundaries and classes are ASCII (`-u`): the gateway folds dashes, spaces and digits before matching, and
//! Unicode boundaries would take its automaton off the fast path. A shape that is a finding only near certain words
//! has a confidence below every threshold of its own; the words raise it. No pattern refuses "impossible" numbers
//! such as 000-12-3456: a sample or a mistyped number is still somebody's, and masking it costs nothing.

use almoner_plugin_sdk::Pattern;

use crate::{Kind, Settings, triggers};

/// What `detect` does with a candidate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Card number: Luhn.
    Card,
    /// International bank account number: mod 97.
    Iban,
    /// Vehicle identification number: check digit.
    Vin,
    /// Drug Enforcement Administration number: check digit.
    Dea,
    /// Mobile equipment identity: Luhn.
    Imei,
}

/// The patterns to declare under these settings. What the words are looked at for comes last, see `triggers`.
pub(crate) fn declared(settings: &Settings) -> Vec<Pattern> {
    let mut patterns: Vec<Pattern> = rows(settings).map(|row| row.pattern(settings)).collect();
    patterns.extend(triggers::declared(settings));
    patterns
}

/// For each of the first of these patterns the check that its hits need (`None`: a hit is a finding).
pub(crate) fn checks(settings: &Settings) -> Vec<Option<(Kind, Check)>> {
    let check = |row: &Row| match row.role {
        Role::Candidate(check) => Some((row.kind, check)),
        _ => None,
    };
    rows(settings).map(check).collect()
}

fn rows(settings: &Settings) -> impl Iterator<Item = &'static Row> {
    let threshold = settings.threshold();
    ROWS.iter()
        .filter(move |row| settings.reports(row.kind) && row.most() >= threshold)
}

/// One pattern: a finding with its confidence and context, or a candidate with its check.
struct Row {
    kind: Kind,
    regex: &'static str,
    role: Role,
}

enum Role {
    Finding(u8),
    WithContext(u8, &'static [&'static str], u8),
    Candidate(Check),
}

const SSN_WORDS: &[&str] = &[
    "ssn",
    "ss#",
    "soc sec",
    "social",
    "social security",
    "security number",
    "seguridad social",
    "nss",
    "itin",
    "tin",
    "tax id",
    "taxpayer",
];
const PHONE_WORDS: &[&str] = &[
    "phone",
    "tel",
    "telephone",
    "cell",
    "mobile",
    "call",
    "called",
    "contact",
    "fax",
    "pager",
    "ext",
    "reach",
    "teléfono",
    "telefono",
    "móvil",
    "movil",
    "tlf",
    "tfno",
    "whatsapp",
    "dial",
    "answering",
    "phones",
];
const NPI_WORDS: &[&str] = &[
    "npi",
    "national provider",
    "provider id",
    "provider number",
    "upin",
];
const ZIP_WORDS: &[&str] = &[
    "zip",
    "zipcode",
    "zip code",
    "postal",
    "postal code",
    "postcode",
    "código postal",
    "codigo postal",
    "cp",
    "c.p",
];
const ACCOUNT_WORDS: &[&str] = &[
    "account",
    "acct",
    "acct#",
    "a/c",
    "routing",
    "aba",
    "bank",
    "iban",
    "billing",
    "invoice",
    "encounter",
    "visit",
    "har",
    "csn",
    "fin",
    "guarantor",
    "cuenta",
];
const PLATE_WORDS: &[&str] = &[
    "license plate",
    "licence plate",
    "plate",
    "plates",
    "tag",
    "matrícula",
    "matricula",
];
const BIRTH_WORDS: &[&str] = &[
    "dob",
    "d.o.b",
    "born",
    "birth",
    "birthdate",
    "birthday",
    "date of birth",
    "nacimiento",
    "nacido",
    "nacida",
    "f. nac",
    "fecha de nacimiento",
];
const FAX_WORDS: &[&str] = &["fax", "facsimile", "telefax"];

// Words of months, in English and Spanish, long or short. "May" and "March" are verbs unless they have a capital.
macro_rules! months {
    () => {
        "(?:jan(?:uary)?|feb(?:ruary)?|mar|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|(?-i:M(?:ay|AY|arch|ARCH))|enero|febrero|marzo|abril|mayo|junio|julio|agosto|se[pt]t?iembre|octubre|noviembre|diciembre|ene|abr|dic)"
    };
}

// The day of a month, the longer forms first.
macro_rules! day {
    () => {
        "(?:3[01]|[12][0-9]|0?[1-9])"
    };
}

// The person's part of an e-mail address.
macro_rules! mailbox {
    () => {
        r"(?-u:\b)[A-Za-z0-9](?-u:[A-Za-z0-9._%+'-]{0,63})"
    };
}

// The rest of a host name, and the whole of one.
macro_rules! subdomain {
    () => {
        r"(?:[A-Za-z0-9-]{1,63}(?:\.| ?\(dot\) ?|\[dot\])){0,4}[A-Za-z]{2,24}(?-u:\b)"
    };
}
macro_rules! domain {
    () => {
        r"(?:[A-Za-z0-9-]{1,63}(?:\.| ?\(dot\) ?|\[dot\])){1,5}[A-Za-z]{2,24}(?-u:\b)"
    };
}

const ROWS: &[Row] = &[
    // --- numbers with a shape of their own ---
    find(
        Kind::Ssn,
        r"(?-u:\b)[0-9]{3}(?: ?[-./_] ?| )[0-9]{2}(?: ?[-./_] ?| )[0-9]{4}(?-u:\b)",
        95,
    ),
    near(Kind::Ssn, r"(?-u:\b)[0-9]{9}(?-u:\b)", 15, SSN_WORDS, 95),
    find(
        Kind::Ssn,
        r"(?i-u:(?:\b[x]{3}|[*]{3})[-. ]?(?:[x]{2}|[*]{2})[-. ]?[0-9]{4}\b)",
        85,
    ),
    // NANP numbers: area code in parentheses, or three groups with separators; country code and extension optional.
    find(
        Kind::Phone,
        r"(?i-u:(?:(?:\+|\b00)?1[-. ]{0,2})?(?:\([0-9]{3}\)[-. ]{0,2}|\b[0-9]{3} ?[-./] ?|\b[2-9][0-9]{2} )[0-9]{3} ?[-. ] ?[0-9]{4}(?:[ ,]{0,2}(?:x|ext\.?|extension) ?[0-9]{1,6})?\b)",
        85,
    ),
    // With a country code, or with an area code in parentheses.
    find(
        Kind::Phone,
        r"(?-u:(?:\+[0-9]{1,3}|\b00[1-9][0-9]{0,2}|\([0-9]{2,5}\))[-. /]{0,2}(?:\([0-9]{1,4}\)[-. /]{0,2})?[0-9]{1,5}(?:[-. /]{0,2}[0-9]{2,6}){1,5}\b)",
        80,
    ),
    near(
        Kind::Phone,
        r"(?-u:\b)[0-9]{10,11}(?-u:\b)",
        20,
        PHONE_WORDS,
        85,
    ),
    // National numbers in groups: 555-1234, 91 456 78 90, 024 971 50 30.
    near(
        Kind::Phone,
        r"(?-u:\b)[0-9]{2,4}(?:[-. ][0-9]{2,6}){1,4}(?-u:\b)",
        20,
        PHONE_WORDS,
        80,
    ),
    find(
        Kind::Phone,
        r"(?-u:\b)0[0-9]{1,4}[-. /][0-9]{3,4}[-. ]?[0-9]{3,5}(?-u:\b)",
        60,
    ),
    find(
        Kind::Phone,
        r"(?-u:\b)(?:1[-. ])?8(?:00|88|77|66|55|44|33)[-. ][0-9]{3}[-. ][0-9A-Z]{4}(?-u:\b)",
        80,
    ),
    near(
        Kind::Fax,
        r"(?-u:(?:\+?1[-. ]{0,2})?(?:\([0-9]{3}\)[-. ]{0,2}|\b[0-9]{3}[-. /])[0-9]{3}[-. ][0-9]{4}\b)",
        10,
        FAX_WORDS,
        90,
    ),
    // One row for each way to write the sign, so that a cell without one is told at once.
    find(Kind::Email, concat!(mailbox!(), " ?@ ?", domain!()), 95),
    find(
        Kind::Email,
        concat!(mailbox!(), r"(?:\(at\)|\[at\])", domain!()),
        95,
    ),
    find(
        Kind::Email,
        concat!(mailbox!(), r" at [A-Za-z0-9-]{1,63}\.", subdomain!()),
        95,
    ),
    find(
        Kind::Email,
        concat!(
            mailbox!(),
            r" at [A-Za-z0-9-]{1,63}(?: ?\(dot\) ?|\[dot\])",
            subdomain!()
        ),
        95,
    ),
    find(
        Kind::Url,
        r#"(?i-u:\b(?:https?|s?ftps?|file|wss?)://[!#$%&()*+,./0-9:;=?@A-Z\[\]_a-z~|-]{1,200})"#,
        95,
    ),
    find(
        Kind::Url,
        r#"(?i-u:\bwww[0-9]?\.[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}(?:/[!#$%&()*+,./0-9:;=?@A-Z\[\]_a-z~|-]{0,150})?)"#,
        90,
    ),
    find(
        Kind::Url,
        r#"(?i-u:\b[a-z0-9](?:[a-z0-9-]{0,62}\.){1,4}(?:com|org|net|edu|gov|info|health|io|co\.uk|es|de|fr|eu|us|biz|app|online)\b(?:/[!#$%&()*+,./0-9:;=?@A-Z\[\]_a-z~|-]{0,150})?)"#,
        70,
    ),
    find(
        Kind::Ip,
        r"(?-u:\b(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:/[0-9]{1,2})?\b)",
        85,
    ),
    find(
        Kind::Ip,
        r"(?i-u:\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b)",
        95,
    ),
    find(
        Kind::Ip,
        r"(?i-u:(?:\b[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5}\b))",
        75,
    ),
    find(
        Kind::Device,
        r"(?i-u:\b[0-9a-f]{2}:(?:[0-9a-f]{2}[:-]){4}[0-9a-f]{2}\b)",
        95,
    ),
    find(
        Kind::Device,
        r"(?i-u:\b[0-9a-f]{2}-(?:[0-9a-f]{2}[:-]){4}[0-9a-f]{2}\b)",
        95,
    ),
    find(
        Kind::Device,
        r"\(01\)(?-u: ?[0-9]{14}(?: ?\([0-9]{2}\) ?[A-Za-z0-9-]{1,20}){0,4})",
        98,
    ),
    check(
        Kind::Device,
        r"(?-u:\b[0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{6}[- ]?[0-9]\b)",
        Check::Imei,
    ),
    // Medicare Beneficiary Identifier: fixed classes by position, no S L O I B Z; dashes optional.
    find(
        Kind::Plan,
        r"(?i-u:\b[1-9][ac-hj-kmnp-rt-y][0-9ac-hj-kmnp-rt-y][0-9]-?[ac-hj-kmnp-rt-y][0-9ac-hj-kmnp-rt-y][0-9]-?[ac-hj-kmnp-rt-y]{2}[0-9]{2}\b)",
        90,
    ),
    check(
        Kind::Account,
        r"(?-u:\b[0-9]{4}[- ]?[0-9]{4,6}[- ]?[0-9]{4,5}(?:[- ]?[0-9]{1,4})?\b)",
        Check::Card,
    ),
    check(
        Kind::Account,
        r"(?-u:\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)",
        Check::Iban,
    ),
    near(
        Kind::Account,
        r"(?-u:\b)[0-9]{6,17}(?-u:\b)",
        15,
        ACCOUNT_WORDS,
        80,
    ),
    // The last digits count the vehicles of a year; they are always numbers.
    check(
        Kind::Vehicle,
        r"(?i-u:\b[a-hj-npr-z0-9]{14}[0-9]{3}\b)",
        Check::Vin,
    ),
    near(
        Kind::Vehicle,
        r"(?-u:\b[A-Z][A-Z0-9]{0,3}[- ]?[A-Z0-9]{2,4}\b)",
        5,
        PLATE_WORDS,
        60,
    ),
    near(
        Kind::Vehicle,
        r"(?-u:\b[0-9][A-Z0-9]{0,3}[- ]?[A-Z0-9]{2,4}\b)",
        5,
        PLATE_WORDS,
        60,
    ),
    check(Kind::License, r"(?-u:\b[A-Z][A-Z9][0-9]{7}\b)", Check::Dea),
    near(
        Kind::License,
        r"(?-u:\b)[12][0-9]{9}(?-u:\b)",
        15,
        NPI_WORDS,
        95,
    ),
    find(
        Kind::Id,
        r"(?i-u:\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)",
        75,
    ),
    // --- places ---
    near(
        Kind::Zip,
        r"(?-u:\b)[0-9]{5}(?:-[0-9]{4})?(?-u:\b)",
        15,
        ZIP_WORDS,
        90,
    ),
    find(
        Kind::Address,
        r"(?i-u:\b(?:p\.? ?o\.? box|(?:psc|cmr|unit) [0-9]{1,5},? box) [0-9]{1,7}\b(?:\s{1,2}(?:apo|fpo|dpo),? a[aep] [0-9]{5}\b)?)",
        95,
    ),
    // --- dates: month and day, or month and year; never the year alone ---
    find(
        Kind::Date,
        concat!(
            r"(?i-u:\b",
            months!(),
            r"\.?(?:[ -]{1,2}(?:the )?",
            day!(),
            r"(?:st|nd|rd|th)?\b(?:(?:,? {1,2}|-|,)(?:of )?(?:'[0-9]{2}|[0-9]{4})\b)?|(?:,? {1,2}|[-/])(?:of |del? )?(?:'[0-9]{2}|(?:19|20)[0-9]{2})\b))"
        ),
        90,
    ),
    find(
        Kind::Date,
        concat!(
            r"(?i-u:\b(?:the )?",
            day!(),
            r"(?:st|nd|rd|th)?[ -./]{1,2}(?:of |day of |de )?(?:",
            months!(),
            r"|ago)\.?\b(?:(?:,? {1,2}|[-./]|,)(?:of |del? )?(?:'?[0-9]{2}|[0-9]{4})\b)?)"
        ),
        90,
    ),
    // 03/14/2023, 14.3.2023, 2023-03-14T09:30:00Z, 03/2023: month and day in either order, one separator.
    find(
        Kind::Date,
        concat!(
            r"(?-u:\b(?:",
            day!(),
            " ?/ ?",
            day!(),
            r" ?/ ?(?:[0-9]{4}|[0-9]{2})|",
            day!(),
            "-",
            day!(),
            r"-(?:19|20)[0-9]{2}|",
            day!(),
            r"\.",
            day!(),
            r"\.(?:19|20)[0-9]{2}|(?:18|19|20|21)[0-9]{2}[-/.](?:1[0-2]|0?[1-9])[-/.]",
            day!(),
            r"(?:[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?",
            r"|(?:1[0-2]|0?[1-9])/(?:19|20)[0-9]{2})\b)"
        ),
        90,
    ),
    find(
        Kind::Date,
        r"(?-u:\b(?:0[1-9]|1[0-2])-(?:[0-2][0-9]|3[01])-[0-9]{2}\b)",
        60,
    ),
    find(
        Kind::Date,
        r"(?-u:\b(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-2][0-9][0-5][0-9](?:[0-5][0-9])?(?:\.[0-9]{1,6})?(?:[+-][0-9]{4})?)?\b)",
        65,
    ),
    near(
        Kind::BirthDate,
        r"(?-u:\b(?:[0-2]?[0-9]|3[01])[-./ ](?:[0-2]?[0-9]|3[01])[-./ ](?:[0-9]{4}|[0-9]{2})\b)",
        10,
        BIRTH_WORDS,
        95,
    ),
    // --- ages over 89 ---
    find(
        Kind::Age,
        r"(?i-u:\b(?:9[0-9]|1[0-2][0-9])[- ]{0,2}(?:years?|yrs?|yr|y)[-. /]{0,2}(?:old|o|of age)\b)",
        90,
    ),
    find(
        Kind::Age,
        r"(?i-u:\b(?:9[0-9]|1[0-2][0-9])[- ]?(?:yo|y/o|yof|yom|años|anos)\b)",
        90,
    ),
    find(
        Kind::Age,
        r"(?i-u:\b(?:aged?|edad)[: ]{1,2}(?:of )?(?:9[0-9]|1[0-2][0-9])\b)",
        90,
    ),
    find(
        Kind::Age,
        r"(?i-u:\b(?:ninety|one hundred)[- ](?:one|two|three|four|five|six|seven|eight|nine)?[- ]?(?:years?|yrs?)[- ]old\b)",
        90,
    ),
];

impl Row {
    fn pattern(&self, settings: &Settings) -> Pattern {
        let kind = self.kind.index();
        match self.role {
            Role::Finding(confidence) => Pattern::finding(self.regex, kind, confidence),
            Role::WithContext(confidence, words, with) => {
                // Nothing at all, unless somebody wants to see what is this unlikely.
                let alone = if confidence >= settings.threshold() {
                    confidence
                } else {
                    0
                };
                let pattern = Pattern::finding(self.regex, kind, alone);
                pattern.context(words.iter().copied(), with)
            }
            Role::Candidate(_) => Pattern::candidate(self.regex, kind),
        }
    }

    /// The highest confidence of its hits.
    fn most(&self) -> u8 {
        match self.role {
            Role::Finding(confidence) => confidence,
            Role::WithContext(confidence, _, with) => confidence.max(with),
            Role::Candidate(_) => u8::MAX,
        }
    }
}

const fn find(kind: Kind, regex: &'static str, confidence: u8) -> Row {
    Row {
        kind,
        regex,
        role: Role::Finding(confidence),
    }
}

const fn near(
    kind: Kind,
    regex: &'static str,
    confidence: u8,
    words: &'static [&'static str],
    with: u8,
) -> Row {
    Row {
        kind,
        regex,
        role: Role::WithContext(confidence, words, with),
    }
}

const fn check(kind: Kind, regex: &'static str, check: Check) -> Row {
    Row {
        kind,
        regex,
        role: Role::Candidate(check),
    }
}
