//! The clinic as a script for `psql`: the schema, then one COPY per table.

use super::Clinic;

const SCHEMA: &str = include_str!("schema.sql");

pub(super) fn write(clinic: &Clinic) -> String {
    let mut script = String::from(SCHEMA);
    let mut copy = |table: &str, rows: &mut dyn Iterator<Item = Vec<Cell>>| {
        script.push_str(&format!("copy {table} from stdin;\n"));
        for row in rows {
            let cells: Vec<String> = row.into_iter().map(Cell::escaped).collect();
            script.push_str(&cells.join("\t"));
            script.push('\n');
        }
        script.push_str("\\.\n");
    };
    copy(
        "patients",
        &mut clinic.patients.iter().map(|p| {
            vec![
                p.id.into(),
                (&p.mrn).into(),
                (&p.given_name).into(),
                Cell(p.middle_name.clone()),
                (&p.family_name).into(),
                p.sex.into(),
                p.birth_date.into(),
                (&p.ssn).into(),
                (&p.phone).into(),
                (&p.email).into(),
                (&p.street).into(),
                (&p.city).into(),
                (&p.state).into(),
                (&p.zip).into(),
                format!("{} {}", p.kin.given_name, p.kin.family_name).into(),
                (&p.kin.relation).into(),
                (&p.kin.phone).into(),
                (&p.plan_member_id).into(),
                (&p.ward).into(),
            ]
        }),
    );
    copy(
        "encounters",
        &mut clinic.encounters.iter().map(|e| {
            vec![
                e.id.into(),
                e.patient_id.into(),
                (&e.kind).into(),
                (&e.ward).into(),
                e.admitted_at.into(),
                Cell(e.discharged_at.map(|at| at.to_string())),
                (&e.attending).into(),
                (&e.diagnosis_code).into(),
                (&e.reason).into(),
            ]
        }),
    );
    copy(
        "notes",
        &mut clinic.notes.iter().map(|n| {
            vec![
                n.id.into(),
                n.patient_id.into(),
                n.encounter_id.into(),
                n.written_at.into(),
                (&n.author).into(),
                (&n.kind).into(),
                (&n.body).into(),
            ]
        }),
    );
    copy(
        "claims",
        &mut clinic.claims.iter().map(|c| {
            vec![
                c.id.into(),
                c.patient_id.into(),
                c.encounter_id.into(),
                c.service_date.into(),
                (&c.plan_member_id).into(),
                (&c.procedure_code).into(),
                hundredths(c.amount_cents).into(),
                (&c.status).into(),
            ]
        }),
    );
    copy(
        "lab_results",
        &mut clinic.lab_results.iter().map(|r| {
            vec![
                r.id.into(),
                r.patient_id.into(),
                r.encounter_id.into(),
                r.taken_at.into(),
                (&r.test).into(),
                hundredths(r.value_hundredths).into(),
                (&r.unit).into(),
                if r.abnormal { 't' } else { 'f' }.into(),
            ]
        }),
    );
    script.push_str("analyze;\n");
    script
}

/// One cell of COPY's text format; `None` is NULL.
struct Cell(Option<String>);

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self(Some(value.to_string()))
    }
}

impl Cell {
    fn escaped(self) -> String {
        let escape = |text: String| {
            text.replace('\\', "\\\\")
                .replace('\t', "\\t")
                .replace('\n', "\\n")
                .replace('\r', "\\r")
        };
        self.0.map_or_else(|| "\\N".into(), escape)
    }
}

fn hundredths(value: i64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
