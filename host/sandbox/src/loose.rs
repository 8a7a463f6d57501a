//! A pattern without its look-around: it matches wherever the pattern does, and perhaps elsewhere.
//!
//! A word boundary in text that is not ASCII takes the slow engines. So such text is asked for the loose
//! patterns first, at full speed, and only where one of them matches for the real one.

use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

/// Leaves out every assertion about what is around.
pub(crate) fn loosen(pattern: &Hir) -> Hir {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(class) => Hir::class(class.clone()),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(loosen(&repetition.sub));
            Hir::repetition(Repetition { sub, ..*repetition })
        }
        HirKind::Capture(Capture { sub, .. }) => loosen(sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(loosen).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(loosen).collect()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    use super::*;

    #[test]
    fn boundaries_and_anchors_go_and_the_rest_stays() {
        let loose = loosen(&regex_syntax::parse(r"^(?:\b(a+)\b|é\B)$").unwrap());
        assert_eq!(
            loose.to_string(),
            regex_syntax::parse("a+|é").unwrap().to_string()
        );
    }

    proptest! {
        #[test]
        fn whatever_the_pattern_matches_its_loose_form_matches(cell in "[ab1é .-]{0,16}", which in 0usize..5) {
            let patterns = [r"\b\d+\b", r"^a.b$", r"(?:\Ba|é\b)+1", r"(?m)^\w+$", r"\b\w{2}-\b"];
            let pattern = patterns.get(which).copied().unwrap_or(".");
            let loose = loosen(&regex_syntax::parse(pattern).unwrap());
            let loose = Regex::builder().build_from_hir(&loose).unwrap();
            prop_assert!(!Regex::new(pattern).unwrap().is_match(&cell) || loose.is_match(&cell));
        }
    }
}
