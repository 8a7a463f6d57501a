//! What a plugin never looks at. It is emptied before the plugin is called, and it is no part of the key under
//! which an answer is remembered: both see the same, and both read every field there is by name, so that a new
//! one cannot be forgotten.

use std::borrow::Cow;

use crate::memory::Key;
use crate::raw;
use crate::types::{Attr, CallContext, Direction, Operation, Payload, Usage};

/// What a configured plugin said it never looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// The exchange's and the session's id, the time, the subject's use so far. Without them equal questions have
    /// equal answers.
    pub moment: bool,
    /// The operation's body and the values of its parameters.
    pub values: bool,
}

impl From<raw::Unread> for Unread {
    fn from(raw: raw::Unread) -> Self {
        let has = |flag: raw::Unread| raw & flag == flag;
        Self {
            moment: has(raw::Unread::MOMENT),
            values: has(raw::Unread::VALUES),
        }
    }
}

impl Unread {
    /// What the plugin is shown.
    pub(crate) fn shown<'a>(
        self,
        ctx: &'a CallContext,
        op: &'a Operation,
    ) -> (Cow<'a, CallContext>, Cow<'a, Operation>) {
        let mut shown = (Cow::Borrowed(ctx), Cow::Borrowed(op));
        if self.moment {
            shown.0 = Cow::Owned(CallContext {
                exchange_id: String::new(),
                session_id: String::new(),
                now_ms: 0,
                usage: Usage::default(),
                ..ctx.clone()
            });
        }
        if self.values {
            let parameters = op.parameters.iter();
            shown.1 = Cow::Owned(Operation {
                body: Payload::None,
                parameters: parameters.map(|one| Attr::new(&*one.key, "")).collect(),
                ..op.clone()
            });
        }
        shown
    }

    /// What the answer may rest on, as a key. `None`: on the moment as well.
    pub(crate) fn key(self, ctx: &CallContext, op: &Operation, rows_so_far: u64) -> Option<Key> {
        if !self.moment {
            return None;
        }
        let CallContext {
            exchange_id: _,
            session_id: _,
            subject,
            actor,
            groups,
            purpose,
            target,
            protocol,
            locale,
            now_ms: _,
            usage: _,
            attrs,
        } = ctx;
        let Operation {
            direction,
            dialect,
            verb,
            targets,
            body,
            truncated,
            parameters,
            facts_schema,
            facts,
            attrs: op_attrs,
        } = op;
        let mut key = Writer(blake3::Hasher::new());
        key.number(rows_so_far);
        for text in [
            subject,
            target,
            protocol,
            locale,
            dialect,
            verb,
            facts_schema,
            facts,
        ] {
            key.text(text);
        }
        for text in [actor, purpose] {
            key.list(text.iter(), |key, text| key.text(text));
        }
        for texts in [groups, targets] {
            key.list(texts.iter(), |key, text| key.text(text));
        }
        for attrs in [attrs, op_attrs] {
            key.list(attrs.iter(), Writer::attr);
        }
        key.number(u64::from(*truncated));
        key.number(u64::from(*direction == Direction::Response));
        if self.values {
            key.list(parameters.iter(), |key, one| key.text(&one.key));
        } else {
            key.list(parameters.iter(), Writer::attr);
            key.payload(body);
        }
        Some(Key(*key.0.finalize().as_bytes()))
    }
}

/// Writes parts so that no two sequences of parts look alike: each with its length before it.
struct Writer(blake3::Hasher);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn attr(&mut self, Attr { key, value }: &Attr) {
        self.text(key);
        self.text(value);
    }

    fn payload(&mut self, body: &Payload) {
        match body {
            Payload::None => self.number(0),
            Payload::Text(text) => {
                self.number(1);
                self.text(text);
            }
            Payload::Bytes(bytes) => {
                self.number(2);
                self.bytes(bytes);
            }
        }
    }

    fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, write: fn(&mut Self, T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Unread = Unread {
        moment: true,
        values: false,
    };
    const BOTH: Unread = Unread {
        moment: true,
        values: true,
    };

    fn context() -> CallContext {
        CallContext {
            exchange_id: "e1".into(),
            session_id: "s1".into(),
            subject: "ann".into(),
            groups: vec!["a".into(), "b".into()],
            now_ms: 1,
            usage: Usage {
                rows: 7,
                ..Usage::default()
            },
            ..CallContext::default()
        }
    }

    fn operation() -> Operation {
        Operation {
            body: Payload::Text("select 1".into()),
            parameters: vec![Attr::new("1", "v")],
            ..Operation::default()
        }
    }

    #[test]
    fn what_is_unread_is_no_part_of_the_key_and_all_else_is() {
        let changed: [fn(&mut CallContext, &mut Operation); 20] = [
            |ctx, _| ctx.subject.push('x'),
            |ctx, _| ctx.actor = Some(String::new()),
            |ctx, _| ctx.purpose = Some(String::new()),
            |ctx, _| ctx.groups = vec!["ab".into()],
            |ctx, _| ctx.groups.push(String::new()),
            |ctx, _| ctx.target.push('x'),
            |ctx, _| ctx.protocol.push('x'),
            |ctx, _| ctx.locale.push('x'),
            |ctx, _| ctx.attrs.push(Attr::default()),
            |_, op| op.direction = Direction::Response,
            |_, op| op.dialect.push('x'),
            |_, op| op.verb.push('x'),
            |_, op| op.targets.push(String::new()),
            |_, op| op.truncated = true,
            |_, op| op.facts_schema.push('x'),
            |_, op| op.facts.push('x'),
            |_, op| op.attrs.push(Attr::default()),
            |_, op| op.parameters.push(Attr::default()),
            |_, op| op.body = Payload::Bytes(b"select 1".to_vec()),
            |_, op| op.parameters = vec![Attr::new("1", "w")],
        ];
        let values = 2;
        for (number, change) in changed.iter().enumerate() {
            let (mut ctx, mut op) = (context(), operation());
            let before = [MOMENT, BOTH].map(|unread| unread.key(&ctx, &op, 0));
            change(&mut ctx, &mut op);
            let after = [MOMENT, BOTH].map(|unread| unread.key(&ctx, &op, 0));
            assert!(before[0].is_some() && before[0] != after[0], "{number}");
            let is_value = number >= changed.len() - values;
            assert_eq!(before[1] == after[1], is_value, "{number}");
        }
        assert!(MOMENT.key(&context(), &operation(), 0) != MOMENT.key(&context(), &operation(), 1));
        assert!(Unread::default().key(&context(), &operation(), 0).is_none());
    }

    #[test]
    fn the_plugin_is_shown_what_the_key_is_made_of() {
        for unread in [MOMENT, BOTH] {
            let (ctx, op) = (context(), operation());
            let (shown_ctx, shown_op) = unread.shown(&ctx, &op);
            assert!(unread.key(&ctx, &op, 3) == unread.key(&shown_ctx, &shown_op, 3));
            assert_eq!((&*shown_ctx.exchange_id, &*shown_ctx.session_id), ("", ""));
            assert_eq!((shown_ctx.now_ms, shown_ctx.usage), (0, Usage::default()));
            assert_eq!(shown_ctx.subject, "ann");
            let hidden =
                shown_op.body == Payload::None && shown_op.parameters == [Attr::new("1", "")];
            assert_eq!(hidden, unread.values);
        }
    }
}
