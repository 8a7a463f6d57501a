//! Patterns that take the whole cell or nothing, read from their syntax.
//!
//! `\A(?s:.*)x(?s:.*)\z` matches a cell exactly if `x` matches somewhere in it, and then from its first byte to
//! its last. So looking for `x` is enough, and nobody has to ask where it is.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The part between "anything from the start" and "anything to the end"; `None` if the pattern is another.
pub(crate) fn inside(pattern: &Hir) -> Option<Hir> {
    let HirKind::Concat(parts) = pattern.kind() else {
        return None;
    };
    let [start, before, inside @ .., after, end] = parts.as_slice() else {
        return None;
    };
    let whole = is_look(start, Look::Start)
        && is_look(end, Look::End)
        && is_anything(before)
        && is_anything(after)
        && !inside.is_empty();
    whole.then(|| Hir::concat(inside.to_vec()))
}

/// Whether a group of the pattern has this name.
pub(crate) fn has_group(pattern: &Hir, name: &str) -> bool {
    match pattern.kind() {
        HirKind::Capture(capture) => {
            capture.name.as_deref() == Some(name) || has_group(&capture.sub, name)
        }
        HirKind::Repetition(repetition) => has_group(&repetition.sub, name),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| has_group(part, name))
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

fn is_look(part: &Hir, expected: Look) -> bool {
    matches!(part.kind(), HirKind::Look(look) if *look == expected)
}

/// Any characters, any number of them.
fn is_anything(part: &Hir) -> bool {
    let HirKind::Repetition(repetition) = part.kind() else {
        return false;
    };
    let every = match repetition.sub.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX)
        }
        _ => false,
    };
    every && repetition.min == 0 && repetition.max.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use proptest::prelude::*;

    use super::*;

    fn inside_of(pattern: &str) -> Option<String> {
        inside(&regex_syntax::parse(pattern).unwrap()).map(|hir| hir.to_string())
    }

    #[test]
    fn only_anything_on_both_sides_takes_the_whole_cell() {
        let plain = |pattern: &str| Some(regex_syntax::parse(pattern).unwrap().to_string());
        assert_eq!(inside_of(r"\A(?s:.*)ab|c(?s:.*)\z"), None);
        assert_eq!(inside_of(r"\A(?s:.*)(?:ab|cd)(?s:.*)\z"), plain("ab|cd"));
        assert_eq!(inside_of(r"\A(?s:.*?)a\d(?s:.*)\z"), plain(r"a\d"));
        for other in [
            r"\A.*a(?s:.*)\z",
            r"(?s:.*)a(?s:.*)\z",
            r"\A(?s:.+)a(?s:.*)\z",
            r"\A(?s:.*)a(?s:.{0,9})\z",
            r"\Aa\z",
            r"\A(?s:.*)(?s:.*)\z",
            "a",
        ] {
            assert_eq!(inside_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_group_is_found_by_its_name_at_any_depth() {
        let has = |pattern: &str| has_group(&regex_syntax::parse(pattern).unwrap(), "companion");
        assert!(has(r"a|(?:b(?<companion>c))*d"));
        assert!(!has(r"a(?<other>companion)(b)"));
    }

    proptest! {
        #[test]
        fn the_whole_matches_where_the_inside_does(cell in "[abé1 \n]{0,12}", which in 0usize..4) {
            let parts = [r"a\b", r"\Ab|1$", "é+[^a]", r"(?:^|1)a"];
            let part = parts.get(which).copied().unwrap_or("a");
            let whole = format!(r"\A(?s:.*)(?:{part})(?s:.*)\z");
            let found = regex::Regex::new(&whole).unwrap().find(&cell).map(|found| found.range());
            let expected = regex::Regex::new(part).unwrap().is_match(&cell).then_some(0..cell.len());
            prop_assert_eq!(found, expected);
            prop_assert!(inside_of(&whole).is_some());
        }
    }
}
