//! A made-up clinic: patients, stays, notes in free text, claims, laboratory results. The same seed gives
//! the same clinic everywhere.
//!
//! Every person is invented. Social security numbers come from ranges that were never issued, telephone
//! numbers from the block reserved for fiction, mail addresses from reserved domains. They still look like
//! the real thing, since what masks them must not need them to look special.

mod billing;
mod calendar;
mod lists;
mod notes;
mod patient;
mod script;
mod stay;

pub use billing::{Claim, LabResult};
pub use notes::Note;
pub use patient::{Kin, Patient};
pub use stay::Encounter;

use crate::random::Random;

/// The seed of the demo and, unless they say otherwise, of the tests.
pub const SEED: u64 = 1805;
/// Patients in the demo's clinic.
pub const PATIENTS: u32 = 1_200;

/// Everything the database holds.
#[derive(Clone, Debug)]
pub struct Clinic {
    /// In the order of their ids, from 1.
    pub patients: Vec<Patient>,
    /// Stays and visits, grouped by patient.
    pub encounters: Vec<Encounter>,
    /// What was written about them.
    pub notes: Vec<Note>,
    /// What was billed.
    pub claims: Vec<Claim>,
    /// What the laboratory found.
    pub lab_results: Vec<LabResult>,
}

impl Clinic {
    /// A clinic of so many patients.
    pub fn generate(seed: u64, patients: u32) -> Self {
        let root = Random::new(seed);
        let mut clinic = Self {
            patients: Vec::new(),
            encounters: Vec::new(),
            notes: Vec::new(),
            claims: Vec::new(),
            lab_results: Vec::new(),
        };
        for id in 1..=patients {
            let mut random = root.branch(u64::from(id));
            let patient = Patient::generate(id, &mut random);
            for encounter in stay::generate(&patient, &mut random) {
                clinic
                    .notes
                    .extend(notes::generate(&patient, &encounter, &mut random));
                clinic
                    .claims
                    .push(billing::claim(&patient, &encounter, &mut random));
                clinic
                    .lab_results
                    .extend(billing::lab_results(&encounter, &mut random));
                clinic.encounters.push(encounter);
            }
            clinic.patients.push(patient);
        }
        clinic.number();
        clinic
    }

    /// The script that makes the schema and loads the rows, for `psql`.
    pub fn script(&self) -> String {
        script::write(self)
    }

    /// Gives everything its id, in the order of time of the patient it belongs to.
    fn number(&mut self) {
        for (id, note) in (1..).zip(&mut self.notes) {
            note.id = id;
        }
        for (id, claim) in (500_001..).zip(&mut self.claims) {
            claim.id = id;
        }
        for (id, result) in (1..).zip(&mut self.lab_results) {
            result.id = id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_gives_the_same_clinic() {
        assert_eq!(
            Clinic::generate(7, 40).script(),
            Clinic::generate(7, 40).script()
        );
        assert_ne!(
            Clinic::generate(7, 40).script(),
            Clinic::generate(8, 40).script()
        );
    }

    #[test]
    fn nobody_in_the_clinic_can_be_real() {
        let clinic = Clinic::generate(SEED, PATIENTS);
        for patient in &clinic.patients {
            let parts: Vec<&str> = patient.ssn.split('-').collect();
            let [area, group, serial] = parts[..] else {
                panic!("{}", patient.ssn)
            };
            let issued =
                area != "000" && area != "666" && area < "900" && group != "00" && serial != "0000";
            assert!(!issued, "{} could have been issued", patient.ssn);
            assert!(patient.phone.contains("555") && patient.kin.phone.contains("555"));
            assert!(
                patient.email.ends_with(".example") || patient.email.contains("@example."),
                "{}",
                patient.email
            );
        }
    }

    #[test]
    fn record_numbers_and_social_security_numbers_are_unique() {
        let clinic = Clinic::generate(SEED, PATIENTS);
        let distinct = |of: fn(&Patient) -> &str| {
            clinic
                .patients
                .iter()
                .map(of)
                .collect::<BTreeSet<_>>()
                .len()
        };
        assert_eq!(distinct(|p| &p.mrn), clinic.patients.len());
        assert_eq!(distinct(|p| &p.ssn), clinic.patients.len());
    }

    #[test]
    fn postgresql_takes_the_whole_clinic() {
        let server =
            crate::Postgres::start(&crate::postgres::Options::default()).expect("a server");
        let clinic = Clinic::generate(SEED, 300);
        server
            .script("postgres", &clinic.script())
            .expect("the script runs");
        let counted = server.script("postgres", "select (select count(*) from patients), (select count(*) from notes), (select count(*) from claims)");
        let expected = format!(
            "{}|{}|{}\n",
            clinic.patients.len(),
            clinic.notes.len(),
            clinic.claims.len()
        );
        assert_eq!(counted.expect("counts"), expected);
    }

    #[test]
    fn notes_name_their_patient_in_prose() {
        let clinic = Clinic::generate(SEED, 200);
        let naming = clinic.notes.iter().filter(|note| {
            let patient = clinic
                .patients
                .iter()
                .find(|p| p.id == note.patient_id)
                .expect("its patient");
            note.body.contains(&patient.family_name) || note.body.contains(&patient.mrn)
        });
        assert!(naming.count() * 10 > clinic.notes.len() * 8);
    }
}
