//! What a stay leaves behind besides words: a claim to the health plan, results of the laboratory.

use jiff::civil::{Date, DateTime};

use super::calendar;
use super::lists::TESTS;
use super::patient::Patient;
use super::stay::Encounter;
use crate::random::Random;

/// One claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Key in the database, with the day.
    pub id: u32,
    /// Whose.
    pub patient_id: u32,
    /// For what stay.
    pub encounter_id: u32,
    /// Decides the partition.
    pub service_date: Date,
    /// The member's number at the plan.
    pub plan_member_id: String,
    /// What was done (CPT).
    pub procedure_code: String,
    /// In cents.
    pub amount_cents: i64,
    /// `paid`, `submitted`, `denied`.
    pub status: String,
}

/// One measured value.
#[derive(Clone, Debug)]
pub struct LabResult {
    /// Key in the database.
    pub id: u32,
    /// Whose.
    pub patient_id: u32,
    /// During what stay.
    pub encounter_id: u32,
    /// When.
    pub taken_at: DateTime,
    /// What.
    pub test: String,
    /// In hundredths of the unit.
    pub value_hundredths: i64,
    /// Unit.
    pub unit: String,
    /// Above what is normal.
    pub abnormal: bool,
}

pub(super) fn claim(patient: &Patient, encounter: &Encounter, random: &mut Random) -> Claim {
    Claim {
        id: 0,
        patient_id: patient.id,
        encounter_id: encounter.id,
        service_date: encounter.day(),
        plan_member_id: patient.plan_member_id.clone(),
        procedure_code: random
            .pick(&[
                "99213", "99214", "99223", "99284", "93000", "71046", "80053", "27447",
            ])
            .into(),
        amount_cents: random.between(8_500, 2_450_000),
        status: random
            .pick(&["paid", "paid", "paid", "submitted", "denied"])
            .into(),
    }
}

pub(super) fn lab_results(encounter: &Encounter, random: &mut Random) -> Vec<LabResult> {
    let result = |_| {
        let (test, unit, low, high, normal) = random.pick(&TESTS);
        let value = random.between(low, high);
        LabResult {
            id: 0,
            patient_id: encounter.patient_id,
            encounter_id: encounter.id,
            taken_at: calendar::at_work(random, encounter.day()).max(encounter.admitted_at),
            test: test.into(),
            value_hundredths: value,
            unit: unit.into(),
            abnormal: value > normal,
        }
    };
    let count = encounter.id % 4;
    (0..count).map(result).collect()
}
