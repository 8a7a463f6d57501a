//! A long table of statements that try to get an identifier past the masks, or an effect past the guards.
//! Each runs through `psql` and, where it is one statement, through tokio-postgres in binary. What must stay
//! readable is in the table, too, so that masking too much shows.

mod computed;
mod effects;
mod followed;
mod protocol;
mod readable;
mod stored;
mod told;

use std::sync::LazyLock;

use almoner_stage::psql::Finished;
use almoner_tests::{World, WorldPlan, driver};
use futures_util::TryStreamExt;
use tokio_postgres::types::{FromSql, Type};

/// What a statement must come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Must {
    /// It runs, and nothing of a patient comes out.
    Mask,
    /// Nothing of a patient comes out, whether it runs or not.
    NotTell,
    /// The gateway refuses it.
    Refuse,
    /// It runs, nothing of a patient comes out, and this does.
    Show(&'static str),
    /// It fails, and says this.
    Fail(&'static str),
}

/// A statement, or several.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    /// In one message; also prepared and in binary, if it is one statement.
    Once(&'static str),
    /// Line by line in one session.
    Lines(&'static str),
}

/// What the clinic has besides its own tables: names that mean two things, values made of others, tags in odd
/// places.
const FURTHER: &str = include_str!("further.sql");

/// Tags of these.
const TAGS: &str = r#"
[[column]]
column = "private.remarks.remark"
kind = "phi.name"
[[column]]
column = "people.ssn"
kind = "phi.ssn"
[[column]]
column = "members_north.code"
kind = "phi.id"
[[column]]
column = "beds.occupant"
kind = "phi.name"
"#;

/// The clinic with more in it.
pub(super) fn plan() -> WorldPlan {
    WorldPlan {
        patients: 12,
        sql: FURTHER.to_owned(),
        ..WorldPlan::default()
    }
    .policy("50-further.toml", TAGS)
    .edit("10-plugins.toml", "copy = \"hold\"", "copy = \"allow\"")
}

/// Every way in which an identifier might be written down, longest first where one holds another.
pub(super) fn forms(world: &World) -> Vec<String> {
    let mut forms = Vec::new();
    for patient in &world.clinic.patients {
        let born = patient.birth_date.to_string();
        let mut raws: Vec<&str> = patient.identifiers();
        if !born.ends_with("-01-01") {
            raws.push(&born);
        }
        for raw in raws {
            let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
            if digits.len() >= 8 {
                forms.push(digits);
            }
            forms.push(raw.chars().rev().collect());
            forms.push(raw.to_uppercase());
            forms.push(raw.bytes().map(|byte| format!("{byte:02x}")).collect());
            forms.push(raw.to_owned());
        }
    }
    forms
}

/// Runs a table against one world and tells of every line that is not as it must be.
pub(super) fn check(world: &World, table: &[(Sent, Must)]) {
    let forms = forms(world);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut wrong = Vec::new();
    for (sent, must) in table {
        let psql = world.gateway.psql("ward-assistant", "clinic");
        let (text, finished) = match sent {
            Sent::Once(sql) => (*sql, psql.run(&["-A", "-t", "-c", sql], "").unwrap()),
            Sent::Lines(lines) => (*lines, psql.run(&["-A", "-t"], lines).unwrap()),
        };
        if let Some(what) = judge(&finished, *must, &forms) {
            wrong.push(format!("{text}\n    {what}\n    {finished:?}"));
        }
        if let Sent::Once(sql) = sent {
            let binary = runtime.block_on(in_binary(world, sql));
            if let Some(form) = found(&binary, &forms) {
                wrong.push(format!(
                    "{sql}\n    in binary it tells {form:?}\n    {binary}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are not as they must be:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

fn judge(finished: &Finished, must: Must, forms: &[String]) -> Option<String> {
    let all = format!("{}\n{}", finished.stdout, finished.stderr);
    if let Some(form) = found(&all, forms) {
        return Some(format!("it tells {form:?}"));
    }
    let failed = finished.stderr.contains("ERROR");
    match must {
        Must::NotTell => None,
        Must::Mask if failed => Some("it fails".to_owned()),
        Must::Mask => None,
        Must::Refuse if finished.stderr.contains("almoner") && failed => None,
        Must::Refuse => Some("the gateway does not refuse it".to_owned()),
        Must::Fail(text) if failed && finished.stderr.contains(text) => None,
        Must::Fail(text) => Some(format!("it does not fail with {text:?}")),
        Must::Show(_) if failed => Some("it fails".to_owned()),
        Must::Show(text) if finished.stdout.contains(text) => None,
        Must::Show(text) => Some(format!("it does not show {text:?}")),
    }
}

pub(super) fn found<'a>(text: &str, forms: &'a [String]) -> Option<&'a String> {
    forms.iter().find(|form| text.contains(form.as_str()))
}

/// The cells of every row, each as text if its type is known, and what went wrong.
async fn in_binary(world: &World, sql: &str) -> String {
    let client = driver::connect(world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let statement = match client.prepare(sql).await {
        Ok(statement) => statement,
        Err(error) => return format!("{error:?}"),
    };
    let parameters: [&str; 0] = [];
    let rows = match client.query_raw(&statement, parameters).await {
        Ok(rows) => rows.try_collect::<Vec<_>>().await,
        Err(error) => return format!("{error:?}"),
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return format!("{error:?}"),
    };
    let mut out = String::new();
    for row in rows {
        for column in 0..row.len() {
            let cell: Option<Cell> = row.get(column);
            out.push_str(&cell.map(|cell| cell.0).unwrap_or_default());
            out.push('|');
        }
        out.push('\n');
    }
    out
}

/// A cell of any type.
struct Cell(String);

/// Day 0 of PostgreSQL's dates.
static EPOCH: LazyLock<jiff::civil::Date> = LazyLock::new(|| jiff::civil::date(2000, 1, 1));

impl<'a> FromSql<'a> for Cell {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let text = match *kind {
            Type::INT4 => i32::from_sql(kind, raw)?.to_string(),
            Type::INT8 => i64::from_sql(kind, raw)?.to_string(),
            Type::DATE => {
                let days = i32::from_be_bytes(raw.try_into()?);
                (*EPOCH + jiff::Span::new().days(days)).to_string()
            }
            Type::TIMESTAMP => {
                let micros = i64::from_be_bytes(raw.try_into()?);
                let days = i32::try_from(micros.div_euclid(86_400_000_000))?;
                (*EPOCH + jiff::Span::new().days(days)).to_string()
            }
            _ => String::from_utf8_lossy(raw).into_owned(),
        };
        Ok(Self(text))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
