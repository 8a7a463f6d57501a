//! Between the generated types and the SDK's own. Strings and lists move; nothing is copied.

use super::bindings::{
    approval::exports::almoner::plugin::approval as wa,
    detector::exports::almoner::plugin::detector as wd,
    guard::exports::almoner::plugin::guard as wg,
    lifecycle::{almoner::plugin::types as wt, exports::almoner::plugin::lifecycle as wl},
    transformer::exports::almoner::plugin::transformer as wx,
};
use crate as sdk;

/// `From` cannot be implemented for lists and results of foreign types; this can.
pub(super) trait Convert<T> {
    fn convert(self) -> T;
}

impl<A: Convert<B>, B> Convert<Vec<B>> for Vec<A> {
    fn convert(self) -> Vec<B> {
        self.into_iter().map(Convert::convert).collect()
    }
}

impl<A: Convert<B>, B> Convert<Result<B, wt::Failure>> for Result<A, sdk::Failure> {
    fn convert(self) -> Result<B, wt::Failure> {
        self.map(Convert::convert).map_err(Convert::convert)
    }
}

impl Convert<String> for String {
    fn convert(self) -> String {
        self
    }
}

/// Records that differ in nothing but their path.
macro_rules! same {
    ($from:ty => $to:ty { $($moved:ident),* $(; $($converted:ident),*)? }) => {
        impl Convert<$to> for $from {
            fn convert(self) -> $to {
                let from = self;
                type To = $to;
                To { $($moved: from.$moved,)* $($($converted: from.$converted.convert(),)*)? }
            }
        }
    };
}

// Into the plugin.
same!(wt::Attr => sdk::Attr { key, value });
same!(wt::Usage => sdk::Usage { window_seconds, exchanges, rows, bytes, denials });
same!(wt::CallContext => sdk::CallContext {
    exchange_id, session_id, subject, actor, groups, purpose, target, protocol, locale, now_ms; usage, attrs
});
same!(wt::Operation => sdk::Operation {
    dialect, verb, targets, truncated, facts_schema, facts; direction, body, parameters, attrs
});
same!(wd::Field => sdk::Field { container, path, declared_type, media_type });
same!(wd::Hit => sdk::Hit { cell, start, end, pattern });
same!(wd::Batch => sdk::Batch { cells, field_of, row_of, offset, last; direction, fields, hits });
same!(wx::Found => sdk::Found { kind, value, path, declared_type, entity });

impl Convert<sdk::Direction> for wt::Direction {
    fn convert(self) -> sdk::Direction {
        match self {
            Self::Request => sdk::Direction::Request,
            Self::Response => sdk::Direction::Response,
        }
    }
}

impl Convert<sdk::Payload> for wt::Payload {
    fn convert(self) -> sdk::Payload {
        match self {
            Self::Text(text) => sdk::Payload::Text(text),
            Self::Bytes(bytes) => sdk::Payload::Bytes(bytes),
            Self::None => sdk::Payload::None,
        }
    }
}

// Out of the plugin.
same!(sdk::Manifest => wl::Manifest { name, version, description, emits, max_span; messages, offsets });
same!(sdk::Message => wl::Message { code, template });
same!(sdk::SettingsError => wl::SettingsError { pointer, message });
same!(sdk::Attr => wt::Attr { key, value });
same!(sdk::Reason => wt::Reason { code; args });
same!(sdk::Requirement => wt::Requirement { group, count });
same!(sdk::Assessment => wt::Assessment { risk, ttl_seconds, max_rows; reasons, all_of });
same!(sdk::Rewrite => wg::Rewrite { body; reason });
same!(sdk::Pattern => wd::Pattern { regex, kind, confidence, context_words, with_context; role });
same!(sdk::Declaration => wd::Declaration { ; patterns, appetite });
same!(sdk::Finding => wd::Finding { cell, start, end, kind, confidence });
same!(sdk::FieldFinding => wd::FieldFinding { field, kind, confidence });

impl Convert<wl::OffsetUnit> for sdk::OffsetUnit {
    fn convert(self) -> wl::OffsetUnit {
        match self {
            Self::Utf8Bytes => wl::OffsetUnit::Utf8Bytes,
            Self::Utf16Units => wl::OffsetUnit::Utf16Units,
            Self::CodePoints => wl::OffsetUnit::CodePoints,
        }
    }
}

impl Convert<wl::Unread> for sdk::Unread {
    fn convert(self) -> wl::Unread {
        let flag = |said, flag| if said { flag } else { wl::Unread::empty() };
        flag(self.moment, wl::Unread::MOMENT) | flag(self.values, wl::Unread::VALUES)
    }
}

impl Convert<wt::Failure> for sdk::Failure {
    fn convert(self) -> wt::Failure {
        match self {
            Self::UnsupportedInput(reason) => wt::Failure::UnsupportedInput(reason.convert()),
            Self::Internal(reason) => wt::Failure::Internal(reason.convert()),
        }
    }
}

impl Convert<wg::Verdict> for sdk::Verdict {
    fn convert(self) -> wg::Verdict {
        match self {
            Self::Allow => wg::Verdict::Allow,
            Self::Deny(reason) => wg::Verdict::Deny(reason.convert()),
            Self::Hold(assessment) => wg::Verdict::Hold(assessment.convert()),
            Self::Rewrite(rewrite) => wg::Verdict::Rewrite(rewrite.convert()),
        }
    }
}

impl Convert<wa::Answer> for sdk::Answer {
    fn convert(self) -> wa::Answer {
        wa::Answer {
            need: self.need.map(Convert::convert),
            recheck_at_rows: self.recheck_at_rows,
        }
    }
}

impl Convert<wd::Role> for sdk::Role {
    fn convert(self) -> wd::Role {
        match self {
            Self::Finding => wd::Role::Finding,
            Self::Candidate => wd::Role::Candidate,
        }
    }
}

impl Convert<wd::Appetite> for sdk::Appetite {
    fn convert(self) -> wd::Appetite {
        match self {
            Self::EveryCell => wd::Appetite::EveryCell,
            Self::CellsWithHits => wd::Appetite::CellsWithHits,
            Self::None => wd::Appetite::None,
        }
    }
}
