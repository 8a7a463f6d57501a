//! Notes as clinicians write them: the patient's own name, relatives, dates, telephone and record numbers
//! in the middle of sentences, in no fixed place. Nothing marks them; whatever masks a note must find them.

use jiff::civil::DateTime;

use super::calendar::{self, written};
use super::lists::AUTHORS;
use super::patient::Patient;
use super::stay::Encounter;
use crate::random::Random;

/// One note.
#[derive(Clone, Debug)]
pub struct Note {
    /// Key in the database.
    pub id: u32,
    /// About whom.
    pub patient_id: u32,
    /// During what stay.
    pub encounter_id: u32,
    /// When.
    pub written_at: DateTime,
    /// By whom.
    pub author: String,
    /// `admission`, `nursing`, `call`, `social work` or `discharge`.
    pub kind: String,
    /// The text.
    pub body: String,
}

/// One note when somebody comes, perhaps some while they stay, one when they leave.
pub(super) fn generate(patient: &Patient, encounter: &Encounter, random: &mut Random) -> Vec<Note> {
    let mut notes = vec![("admission", admission(patient, encounter, random))];
    for _ in 0..random.between(0, 2) {
        notes.push(match random.between(1, 3) {
            1 => ("nursing", nursing(patient, random)),
            2 => ("call", call(patient, encounter, random)),
            _ => ("social work", social_work(patient, encounter, random)),
        });
    }
    if encounter.discharged_at.is_some() {
        notes.push(("discharge", discharge(patient, encounter, random)));
    }
    let written_at =
        |random: &mut Random| calendar::at_work(random, encounter.day()).max(encounter.admitted_at);
    let note = |(kind, body): (&str, String)| Note {
        id: 0,
        patient_id: patient.id,
        encounter_id: encounter.id,
        written_at: written_at(random),
        author: random.pick(&AUTHORS).into(),
        kind: kind.into(),
        body,
    };
    notes.into_iter().map(note).collect()
}

fn admission(p: &Patient, e: &Encounter, random: &mut Random) -> String {
    let age = calendar::age(p.birth_date, e.day());
    let who = if p.sex == 'F' { "female" } else { "male" };
    let came = written(random, e.day());
    let born = written(random, p.birth_date);
    let (first, last, kin) = (&p.given_name, &p.family_name, &p.kin);
    match random.between(1, 3) {
        1 => format!(
            "{first} {last} is a {age}-year-old {who} (MRN {}, DOB {born}) admitted on {came} with {}. \
             Lives at {}, {}, {} {} with {} {}. Vitals on arrival: BP 138/84, HR 92, T 37.4.",
            p.mrn, e.reason, p.street, p.city, p.state, p.zip, kin.relation, kin.given_name
        ),
        2 => format!(
            "Patient: {last}, {first}. MRN: {}. DOB: {born}. Presented {came} with {}. History from the {}, {} {}, \
             who can be reached at {}. No known drug allergies. Plan: labs, imaging, review in the morning.",
            p.mrn, e.reason, kin.relation, kin.given_name, kin.family_name, kin.phone
        ),
        _ => format!(
            "{} {last} came in on {came} brought by {} {}. Complaint: {}. Contact {} or {}. SSN {} and member ID {} \
             checked at registration. Seen by {}.",
            p.title(),
            kin.relation,
            kin.given_name,
            e.reason,
            p.phone,
            p.email,
            p.ssn,
            p.plan_member_id,
            e.attending
        ),
    }
}

fn nursing(p: &Patient, random: &mut Random) -> String {
    let pain = random.between(0, 6);
    match random.between(1, 3) {
        1 => format!(
            "Pt {}, {} (MRN# {}) slept well. BP 126/78, HR 74, SpO2 97% on room air. Pain {pain}/10. \
             {} {} visited and brought home medications.",
            p.family_name,
            p.given_name,
            p.mrn,
            capital(&p.kin.relation),
            p.kin.given_name
        ),
        2 => format!(
            "{} {} refused breakfast, took all medications at 08:00. Pain {pain}/10 after 500 mg acetaminophen. \
             Asked us to call {} at {} about the ride home.",
            p.title(),
            p.family_name,
            p.kin.given_name,
            p.kin.phone
        ),
        _ => format!(
            "Wristband checked against record {}: {} {}, ward {}. Dressing changed, wound clean and dry. Pain {pain}/10.",
            p.mrn, p.given_name, p.family_name, p.ward
        ),
    }
}

fn call(p: &Patient, e: &Encounter, random: &mut Random) -> String {
    let day = written(random, e.day());
    format!(
        "Spoke with {} ({}) on {day}, call back number {}. {} confirmed that {} takes metformin 500 mg twice daily and lives \
         alone at {} since the spring. Wants the summary sent to {}.",
        p.kin.given_name,
        p.kin.relation,
        p.kin.phone,
        p.kin.given_name,
        p.given_name,
        p.street,
        p.email
    )
}

fn social_work(p: &Patient, e: &Encounter, random: &mut Random) -> String {
    let wait_days = random.between(14, 60);
    let review = written(random, calendar::later(e.day(), wait_days));
    format!(
        "Met with {} {} and {} {}. Medicare application: SSN {}, date of birth {}. Plan member {}. Home visit \
         at {}, {} {} planned for {review}. Transport arranged through {}.",
        p.given_name,
        p.family_name,
        p.kin.relation,
        p.kin.given_name,
        p.ssn,
        written(random, p.birth_date),
        p.plan_member_id,
        p.street,
        p.city,
        p.zip,
        p.phone
    )
}

fn discharge(p: &Patient, e: &Encounter, random: &mut Random) -> String {
    let left = written(
        random,
        e.discharged_at.map_or_else(|| e.day(), |at| at.date()),
    );
    let wait_days = random.between(12, 40);
    let review = written(random, calendar::later(e.day(), wait_days));
    format!(
        "{} {} (MRN {}) discharged home on {left} in stable condition after treatment for {}. Follow-up with {} on {review}. \
         Instructions given to {} and {} {}. Questions: patient's phone {}.",
        p.given_name,
        p.family_name,
        p.mrn,
        e.reason,
        e.attending,
        p.given_name,
        p.kin.relation,
        p.kin.given_name,
        p.phone
    )
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
