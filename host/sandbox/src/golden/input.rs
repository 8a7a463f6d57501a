//! What golden vectors ask, as written in JSON: everything that is left out is empty.

use serde::Deserialize;
use serde_json::Value;

use crate::approval::ApprovalPlugin;
use crate::detector::DetectorPlugin;
use crate::detectors::{DetectorSet, FieldOutcome, Outcome};
use crate::failure::Failure;
use crate::guard::GuardPlugin;
use crate::pattern::PatternError;
use crate::transformer::TransformerPlugin;
use crate::types::{
    self, Answer, Attr, Batch, CallContext, Direction, Found, Operation, Payload, Usage, Verdict,
};

/// What was answered.
pub(super) enum Answered {
    Verdict(Result<Verdict, Failure>),
    Answer(Result<Answer, Failure>),
    /// And the cells that were asked about.
    Findings(Outcome, Vec<String>),
    Fields(FieldOutcome),
    Values(Result<Vec<String>, Failure>),
    /// The declared patterns cannot be used.
    Patterns(PatternError),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Context {
    exchange_id: String,
    session_id: String,
    subject: String,
    actor: Option<String>,
    groups: Vec<String>,
    purpose: Option<String>,
    target: String,
    protocol: String,
    locale: Option<String>,
    now_ms: u64,
    usage: Use,
    attrs: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Use {
    window_seconds: u32,
    exchanges: u64,
    rows: u64,
    bytes: u64,
    denials: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Op {
    response: bool,
    dialect: String,
    verb: String,
    targets: Vec<String>,
    text: Option<String>,
    truncated: bool,
    parameters: Vec<(String, String)>,
    facts_schema: String,
    facts: Option<Value>,
    attrs: Vec<(String, String)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    operation: Op,
    #[serde(default)]
    rows_so_far: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detector {
    cells: Vec<Cell>,
    #[serde(default)]
    fields: Vec<Field>,
}

/// A text of field 0 and a row of its own, or one that says more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Cell {
    Text(String),
    Placed {
        text: String,
        #[serde(default)]
        field: u32,
        #[serde(default)]
        row: u32,
    },
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Field {
    container: String,
    path: String,
    declared_type: String,
    media_type: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Classify {
    #[serde(default)]
    target: String,
    #[serde(default)]
    protocol: String,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transformer {
    values: Vec<Replaced>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Replaced {
    kind: String,
    value: String,
    path: String,
    declared_type: String,
    entity: Option<String>,
}

impl Op {
    pub(super) fn ask(&self, guard: &GuardPlugin, ctx: &CallContext) -> Answered {
        Answered::Verdict(guard.inspect_blocking(ctx, &self.meant()))
    }
}

impl Approval {
    pub(super) fn ask(&self, approval: &ApprovalPlugin, ctx: &CallContext) -> Answered {
        Answered::Answer(approval.assess_blocking(ctx, &self.operation.meant(), self.rows_so_far))
    }
}

impl Classify {
    pub(super) fn ask(&self, detector: &DetectorPlugin) -> Answered {
        let fields: Vec<_> = self.fields.iter().map(Field::meant).collect();
        match alone(detector) {
            Ok(set) => {
                Answered::Fields(set.classify_blocking(&self.target, &self.protocol, &fields))
            }
            Err(error) => Answered::Patterns(error),
        }
    }
}

impl Transformer {
    pub(super) fn ask(&self, transformer: &TransformerPlugin, ctx: &CallContext) -> Answered {
        let values: Vec<_> = self.values.iter().map(Replaced::meant).collect();
        Answered::Values(transformer.transform_blocking(ctx, &values))
    }
}

fn alone(detector: &DetectorPlugin) -> Result<DetectorSet, PatternError> {
    DetectorSet::new(detector.bound.host(), vec![detector.clone()])
}

impl Detector {
    pub(super) fn ask(&self, detector: &DetectorPlugin, ctx: &CallContext) -> Answered {
        let set = match alone(detector) {
            Ok(set) => set,
            Err(error) => return Answered::Patterns(error),
        };
        let fields = match self.fields.is_empty() {
            true => vec![types::Field::default()],
            false => self.fields.iter().map(Field::meant).collect(),
        };
        let mut batch = Batch::new(Direction::Response, fields);
        let mut cells = Vec::new();
        for (index, cell) in (0..).zip(&self.cells) {
            let (text, field, row) = match cell {
                Cell::Text(text) => (text, 0, index),
                Cell::Placed { text, field, row } => (text, *field, *row),
            };
            batch.push(text.as_str(), field, row);
            cells.push(text.clone());
        }
        Answered::Findings(set.session().find_blocking(ctx, &batch), cells)
    }
}

impl Context {
    pub(super) fn meant(&self) -> CallContext {
        let Use {
            window_seconds,
            exchanges,
            rows,
            bytes,
            denials,
        } = self.usage;
        CallContext {
            exchange_id: self.exchange_id.clone(),
            session_id: self.session_id.clone(),
            subject: self.subject.clone(),
            actor: self.actor.clone(),
            groups: self.groups.clone(),
            purpose: self.purpose.clone(),
            target: self.target.clone(),
            protocol: self.protocol.clone(),
            locale: self.locale.clone().unwrap_or_else(|| "en-US".to_owned()),
            now_ms: self.now_ms,
            usage: Usage {
                window_seconds,
                exchanges,
                rows,
                bytes,
                denials,
            },
            attrs: attrs(&self.attrs),
        }
    }
}

impl Op {
    fn meant(&self) -> Operation {
        Operation {
            direction: if self.response {
                Direction::Response
            } else {
                Direction::Request
            },
            dialect: self.dialect.clone(),
            verb: self.verb.clone(),
            targets: self.targets.clone(),
            body: self.text.clone().map_or(Payload::None, Payload::Text),
            truncated: self.truncated,
            parameters: attrs(&self.parameters),
            facts_schema: self.facts_schema.clone(),
            facts: self
                .facts
                .as_ref()
                .map_or_else(|| "{}".to_owned(), Value::to_string),
            attrs: attrs(&self.attrs),
        }
    }
}

impl Field {
    fn meant(&self) -> types::Field {
        types::Field {
            container: self.container.clone(),
            path: self.path.clone(),
            declared_type: self.declared_type.clone(),
            media_type: self.media_type.clone(),
        }
    }
}

impl Replaced {
    fn meant(&self) -> Found {
        Found {
            kind: self.kind.clone(),
            value: self.value.clone(),
            path: self.path.clone(),
            declared_type: self.declared_type.clone(),
            entity: self.entity.clone(),
        }
    }
}

fn attrs(pairs: &[(String, String)]) -> Vec<Attr> {
    pairs
        .iter()
        .map(|(key, value)| Attr::new(key, value))
        .collect()
}
