//! Dates that only a word makes dates: "on 7/29". All others have a shape, and are declared as patterns.

use crate::{
    Kind,
    page::{Page, Span},
    token::{Gap, Shape},
};

/// Words that say when.
pub(crate) const WHEN: &[&str] = &[
    "on", "since", "until", "till", "dated", "through", "by", "from", "before", "after",
];

/// "on 7/29", "since 3/4": month and day after a word that says when. A score such as "pain at 7/10" has none.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    let number = |at: usize| {
        page.at(at)
            .filter(|t| t.shape == Shape::Number)
            .and_then(|_| page.text_at(at).parse::<u32>().ok())
    };
    let told = index > 0 && page.is_one_of(index - 1, WHEN) && page.continues(index);
    if !told || !page.is_mark(index + 1, b'/') || page.is_mark(index + 3, b'/') {
        return None;
    }
    let (month, day) = (number(index)?, number(index + 2)?);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day)
        || (1..=31).contains(&month) && (1..=12).contains(&day);
    let tight = (index + 1..=index + 2).all(|i| page.at(i).is_some_and(|t| t.gap == Gap::Tight));
    (fits && tight)
        .then(|| page.span(index, index + 3, Kind::Date, 60))
        .flatten()
}
