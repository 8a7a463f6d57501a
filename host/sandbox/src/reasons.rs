//! Turns what a plugin says into what the host says: messages come from the manifest's templates, filled
//! with names. A value that does not look like a name becomes "?".
//!
//! This is the only way from a plugin's mouth to callers, approvers, logs and records, so it is written
//! to lose a name rather than to pass a value.

use crate::failure::{BadOutput, Failure, Reported};
use crate::manifest::Manifest;
use crate::raw;
use crate::types::{Answer, Assessment, Attr, Reason, Requirement, Verdict};

/// Bytes of a rendered message; what is longer is cut.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Args of one reason; those beyond are dropped.
const ARGS_MAX: usize = 16;
/// Bytes of an arg's name.
const KEY_BYTES_MAX: usize = 64;
/// Bytes of an arg's value: schema-qualified names fit, sentences do not.
const NAME_BYTES_MAX: usize = 128;
/// Digits in one name. Eight make a date of birth, nine a social security number.
const DIGITS_MAX: usize = 7;
/// Reasons of one assessment.
const REASONS_MAX: usize = 16;
/// Groups that one assessment can name.
const REQUIREMENTS_MAX: usize = 16;
/// Stands for what is not a name.
const NOT_A_NAME: &str = "?";

impl Verdict {
    pub(crate) fn check(raw: raw::Verdict, manifest: &Manifest) -> Result<Self, Failure> {
        Ok(match raw {
            raw::Verdict::Allow => Self::Allow,
            raw::Verdict::Deny(reason) => Self::Deny(Reason::check(reason, manifest)?),
            raw::Verdict::Hold(assessment) => Self::Hold(Assessment::check(assessment, manifest)?),
            raw::Verdict::Rewrite(raw::Rewrite { body, reason }) => Self::Rewrite {
                body,
                reason: Reason::check(reason, manifest)?,
            },
        })
    }
}

impl Answer {
    pub(crate) fn check(raw: raw::Answer, manifest: &Manifest) -> Result<Self, Failure> {
        let need = raw
            .need
            .map(|assessment| Assessment::check(assessment, manifest))
            .transpose()?;
        Ok(Self {
            need,
            recheck_at_rows: raw.recheck_at_rows,
        })
    }
}

impl Assessment {
    fn check(raw: raw::Assessment, manifest: &Manifest) -> Result<Self, Failure> {
        let raw::Assessment {
            risk,
            reasons,
            all_of,
            ttl_seconds,
            max_rows,
        } = raw;
        if reasons.is_empty() {
            return Err(Failure::BadOutput(BadOutput::NoReason));
        }
        if reasons.len() > REASONS_MAX || all_of.len() > REQUIREMENTS_MAX {
            return Err(Failure::BadOutput(BadOutput::TooMany));
        }
        Ok(Self {
            risk,
            reasons: reasons
                .into_iter()
                .map(|r| Reason::check(r, manifest))
                .collect::<Result<_, _>>()?,
            all_of: all_of
                .into_iter()
                .map(Requirement::check)
                .collect::<Result<_, _>>()?,
            ttl_seconds,
            max_rows,
        })
    }
}

impl Requirement {
    fn check(raw::Requirement { group, count }: raw::Requirement) -> Result<Self, Failure> {
        let named =
            (1..=NAME_BYTES_MAX).contains(&group.len()) && !group.chars().any(char::is_control);
        // A group nobody could be in, or nobody at all: an approval that cannot or need not be given.
        if !named || count == 0 {
            return Err(Failure::BadOutput(BadOutput::BadRequirement));
        }
        Ok(Self { group, count })
    }
}

impl Reason {
    pub(crate) fn check(raw: raw::Reason, manifest: &Manifest) -> Result<Self, Failure> {
        let raw::Reason { code, args } = raw;
        let Some(template) = manifest.messages.get(&code) else {
            return Err(Failure::BadOutput(BadOutput::UndeclaredCode));
        };
        let args: Vec<_> = args
            .into_iter()
            .take(ARGS_MAX)
            .filter_map(checked_arg)
            .collect();
        Ok(Self {
            message: render(template, &args),
            code,
            args,
        })
    }
}

/// The failure that a plugin reported itself.
pub(crate) fn reported(raw: raw::Failure, manifest: &Manifest) -> Failure {
    let (reason, class): (_, fn(String) -> Reported) = match raw {
        raw::Failure::UnsupportedInput(reason) => (reason, Reported::UnsupportedInput),
        raw::Failure::Internal(reason) => (reason, Reported::Internal),
    };
    match Reason::check(reason, manifest) {
        Ok(reason) => Failure::Reported(class(reason.code)),
        Err(failure) => failure,
    }
}

fn checked_arg(Attr { key, value }: Attr) -> Option<(String, String)> {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(is_key) {
        return None;
    }
    Some((
        key,
        if is_name(&value) {
            value
        } else {
            NOT_A_NAME.to_owned()
        },
    ))
}

fn is_name(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/ -".contains(&byte);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    (1..=NAME_BYTES_MAX).contains(&value.len())
        && value.bytes().all(allowed)
        && digits <= DIGITS_MAX
}

/// Fills "{name}"; a name that was not given becomes "?".
fn render(template: &str, args: &[(String, String)]) -> String {
    let mut message = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        message.push_str(before);
        let value = args.iter().find(|(key, _)| key == name);
        message.push_str(value.map_or(NOT_A_NAME, |(_, value)| value));
        rest = after;
    }
    message.push_str(rest);
    cut(message)
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    }
    message
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]

    use super::*;
    use crate::units::OffsetUnit;

    fn manifest() -> Manifest {
        let template = "Table {table} needs a {what}, {missing}.";
        Manifest {
            name: "g".into(),
            version: "1".into(),
            description: String::new(),
            emits: vec![],
            messages: [("no-where".to_owned(), template.to_owned())].into(),
            offsets: OffsetUnit::Utf8Bytes,
            max_span: 0,
        }
    }

    fn reason(code: &str, args: &[(&str, &str)]) -> raw::Reason {
        raw::Reason {
            code: code.into(),
            args: args.iter().map(|(k, v)| Attr::new(*k, *v)).collect(),
        }
    }

    #[test]
    fn a_message_is_the_template_filled_with_names() {
        let raw = reason(
            "no-where",
            &[("table", "ehr.patients"), ("what", "WHERE clause")],
        );
        let reason = Reason::check(raw, &manifest()).unwrap();
        assert_eq!(
            reason.message,
            "Table ehr.patients needs a WHERE clause, ?."
        );
    }

    #[test]
    fn a_value_that_is_no_name_becomes_a_question_mark() {
        for value in [
            "123-45-6789",
            "1980-02-03",
            "O'Brien",
            "a@b.example",
            "",
            "é",
            &"x".repeat(129),
        ] {
            let reason =
                Reason::check(reason("no-where", &[("table", value)]), &manifest()).unwrap();
            assert_eq!(reason.args[0].1, "?", "for {value:?}");
        }
    }

    #[test]
    fn a_count_of_rows_is_a_name() {
        assert!(is_name("5000"));
    }

    #[test]
    fn a_code_that_is_not_declared_is_a_failure() {
        let failure = Reason::check(reason("other", &[]), &manifest()).unwrap_err();
        assert_eq!(failure, Failure::BadOutput(BadOutput::UndeclaredCode));
        let failure = reported(raw::Failure::Internal(reason("other", &[])), &manifest());
        assert_eq!(failure, Failure::BadOutput(BadOutput::UndeclaredCode));
    }

    #[test]
    fn braces_in_a_name_are_not_filled_again_and_an_open_brace_is_kept() {
        let args = [("a".to_owned(), "x".to_owned())];
        assert_eq!(render("{a} {b", &args), "x {b");
    }

    #[test]
    fn a_requirement_of_nobody_is_a_failure() {
        for (group, count) in [("", 1), ("privacy", 0), ("a\nb", 1)] {
            let raw = raw::Requirement {
                group: group.into(),
                count,
            };
            let failure = Requirement::check(raw).unwrap_err();
            assert_eq!(failure, Failure::BadOutput(BadOutput::BadRequirement));
        }
    }

    #[test]
    fn an_assessment_without_a_reason_is_a_failure() {
        let raw = raw::Assessment {
            risk: 9,
            reasons: vec![],
            all_of: vec![],
            ttl_seconds: 0,
            max_rows: None,
        };
        let failure = Assessment::check(raw, &manifest()).unwrap_err();
        assert_eq!(failure, Failure::BadOutput(BadOutput::NoReason));
    }
}
