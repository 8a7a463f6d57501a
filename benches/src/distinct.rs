//! Texts that name nobody and of which no two are alike, made of the words of the clinic's complaints: so that no
//! figure rests on the same few texts coming again.

use std::collections::BTreeSet;

use almoner_stage::clinic::Clinic;

/// Texts made: more than a session would ever keep to recognise them.
const TEXTS: usize = 30_000;

/// Words as the digits of a number that counts up: one, then two, then three of them.
pub(crate) fn texts(clinic: &Clinic) -> Vec<String> {
    let words: BTreeSet<&str> = clinic
        .encounters
        .iter()
        .flat_map(|stay| stay.reason.split(' '))
        .collect();
    let words: Vec<&str> = words.into_iter().collect();
    (0..TEXTS).map(|number| text(number, &words)).collect()
}

fn text(number: usize, words: &[&str]) -> String {
    let base = words.len().max(1);
    let digit = |rest: &usize| (rest / base).checked_sub(1);
    let digits = std::iter::successors(Some(number), digit);
    let picked: Vec<&str> = digits
        .filter_map(|rest| words.get(rest % base).copied())
        .collect();
    picked.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_texts_are_alike() {
        let texts: BTreeSet<String> = (0..1_000).map(|n| text(n, &["a", "b", "c"])).collect();
        assert_eq!(texts.len(), 1_000);
    }
}
