//! Stays and visits of a patient.

use jiff::civil::{Date, DateTime};

use super::calendar::{self, OPENED, TODAY};
use super::lists::{ATTENDINGS, COMPLAINTS};
use super::patient::Patient;
use crate::random::Random;

/// One stay or visit.
#[derive(Clone, Debug)]
pub struct Encounter {
    /// Key in the database.
    pub id: u32,
    /// Whose.
    pub patient_id: u32,
    /// `inpatient`, `outpatient` or `emergency`.
    pub kind: String,
    /// Where.
    pub ward: String,
    /// When it began.
    pub admitted_at: DateTime,
    /// `None`: still here.
    pub discharged_at: Option<DateTime>,
    /// Who is responsible.
    pub attending: String,
    /// ICD-10-CM.
    pub diagnosis_code: String,
    /// In words; names nobody.
    pub reason: String,
}

impl Encounter {
    /// The day it began.
    pub fn day(&self) -> Date {
        self.admitted_at.date()
    }
}

/// One to five encounters, in the order of time. Ids leave room for five per patient.
pub(super) fn generate(patient: &Patient, random: &mut Random) -> Vec<Encounter> {
    let first = OPENED.max(patient.birth_date);
    let mut days: Vec<Date> = (0..random.between(1, 5))
        .map(|_| calendar::between(random, first, TODAY))
        .collect();
    days.sort_unstable();
    let encounter = |(nr, day): (u32, Date)| {
        let kind = random.pick(&["inpatient", "outpatient", "outpatient", "emergency"]);
        let left = calendar::later(
            day,
            if kind == "inpatient" {
                random.between(1, 9)
            } else {
                0
            },
        );
        let (reason, code) = random.pick(&COMPLAINTS);
        let admitted_at = calendar::at_work(random, day);
        let discharged_at =
            (left <= TODAY).then(|| admitted_at.max(calendar::at_work(random, left)));
        Encounter {
            id: (patient.id - 1) * 5 + nr,
            patient_id: patient.id,
            kind: kind.into(),
            ward: patient.ward.clone(),
            admitted_at,
            discharged_at,
            attending: random.pick(&ATTENDINGS).into(),
            diagnosis_code: code.into(),
            reason: reason.into(),
        }
    };
    (1..).zip(days).map(encounter).collect()
}
