//! One patient: who they are, where they live, whom to call.

use jiff::civil::{Date, date};

use super::calendar::{self, TODAY};
use super::lists::{FAMILIES, MEN, PLACES, RELATIONS, STREET_KINDS, STREETS, WARDS, WOMEN};
use crate::random::Random;

/// A made-up person.
#[derive(Clone, Debug)]
pub struct Patient {
    /// Key in the database.
    pub id: u32,
    /// Medical record number: eight digits.
    pub mrn: String,
    /// First name.
    pub given_name: String,
    /// An initial, for some.
    pub middle_name: Option<String>,
    /// Last name.
    pub family_name: String,
    /// `F` or `M`.
    pub sex: char,
    /// Some are past ninety.
    pub birth_date: Date,
    /// Never issued to anybody.
    pub ssn: String,
    /// Of the block reserved for fiction.
    pub phone: String,
    /// At a reserved domain.
    pub email: String,
    /// Number and street.
    pub street: String,
    /// City.
    pub city: String,
    /// Two letters.
    pub state: String,
    /// Five digits.
    pub zip: String,
    /// Next of kin.
    pub kin: Kin,
    /// Number of the health plan's member.
    pub plan_member_id: String,
    /// Where they were treated last.
    pub ward: String,
}

/// Whom to call.
#[derive(Clone, Debug)]
pub struct Kin {
    /// First name.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
    /// `daughter`, …
    pub relation: String,
    /// Telephone.
    pub phone: String,
}

impl Patient {
    pub(super) fn generate(id: u32, random: &mut Random) -> Self {
        let female = random.chance(52);
        let given_name = given(random, female);
        let family_name = random.pick(&FAMILIES).to_owned();
        let (city, state, zips, area) = random.pick(&PLACES);
        let (relation, kin_female) = random.pick(&RELATIONS);
        let kin_family = if random.chance(60) {
            family_name.clone()
        } else {
            random.pick(&FAMILIES).to_owned()
        };
        Self {
            id,
            // A stride that shares no factor with ten million: unique, and not in the order of ids.
            mrn: format!("{:08}", 10_000_000 + u64::from(id) * 7_368_787 % 89_999_999),
            middle_name: random.chance(40).then(|| {
                format!(
                    "{}.",
                    random.pick(&["A", "B", "C", "E", "J", "K", "L", "M", "R", "T"])
                )
            }),
            sex: if female { 'F' } else { 'M' },
            birth_date: calendar::between(random, date(1928, 1, 1), date(2023, 12, 31)),
            ssn: ssn(id, random),
            phone: phone(area, random),
            email: email(&given_name, &family_name, random),
            street: format!(
                "{} {} {}",
                random.between(3, 4999),
                random.pick(&STREETS),
                random.pick(&STREET_KINDS)
            ),
            city: city.into(),
            state: state.into(),
            zip: random.pick(zips).into(),
            kin: Kin {
                given_name: given(random, kin_female),
                family_name: kin_family,
                relation: relation.into(),
                phone: phone(area, random),
            },
            plan_member_id: format!(
                "{}{:09}",
                random.pick(&["XQH", "ZGP", "MBR", "HNP"]),
                100_000_000 + random.between(0, 899_999_999)
            ),
            ward: random.pick(&WARDS).into(),
            given_name,
            family_name,
        }
    }

    /// "Ms." or "Mr."
    pub fn title(&self) -> &'static str {
        if self.sex == 'F' { "Ms." } else { "Mr." }
    }

    /// Years, on the clinic's today.
    pub fn age(&self) -> i16 {
        calendar::age(self.birth_date, TODAY)
    }

    /// Every value that alone tells who this is and that no masked text may contain.
    pub fn identifiers(&self) -> Vec<&str> {
        vec![
            &self.mrn,
            &self.ssn,
            &self.phone,
            &self.email,
            &self.street,
            &self.kin.phone,
            &self.plan_member_id,
        ]
    }
}

fn given(random: &mut Random, female: bool) -> String {
    if female {
        random.pick(&WOMEN)
    } else {
        random.pick(&MEN)
    }
    .to_owned()
}

/// From the ranges that were never issued: areas 900–999, 666 and 000, and group 00 of any area. The id
/// makes it unique.
fn ssn(id: u32, random: &mut Random) -> String {
    let (group, serial) = (10 + id / 9_000 % 90, 1_000 + id % 9_000);
    match random.between(1, 10) {
        1..=6 => format!("{}-{group:02}-{serial:04}", random.between(900, 999)),
        7 => format!("666-{group:02}-{serial:04}"),
        8 => format!("000-{group:02}-{serial:04}"),
        _ => format!("{:03}-00-{serial:04}", random.between(100, 599)),
    }
}

/// 555-0100 to 555-0199 exist in films only; written as people write them.
fn phone(area: &str, random: &mut Random) -> String {
    let line = random.between(100, 199);
    match random.between(1, 5) {
        1 => format!("({area}) 555-0{line}"),
        2 => format!("{area}.555.0{line}"),
        3 => format!("+1 {area} 555 0{line}"),
        _ => format!("{area}-555-0{line}"),
    }
}

fn email(given: &str, family: &str, random: &mut Random) -> String {
    let plain = |text: &str| -> String { text.to_lowercase().chars().filter_map(ascii).collect() };
    let (given, family) = (plain(given), plain(family));
    let local = match random.between(1, 4) {
        1 => format!("{given}.{family}"),
        2 => format!(
            "{}{family}{}",
            given.chars().take(1).collect::<String>(),
            random.between(40, 99)
        ),
        3 => format!("{family}_{given}"),
        _ => format!("{given}{}", random.between(100, 999)),
    };
    format!(
        "{local}@{}",
        random.pick(&["example.com", "example.org", "example.net", "mail.example"])
    )
}

fn ascii(c: char) -> Option<char> {
    match c {
        'a'..='z' => Some(c),
        'í' => Some('i'),
        'ç' => Some('c'),
        'ü' => Some('u'),
        'ñ' => Some('n'),
        _ => None,
    }
}
