//! Places smaller than a state: streets, cities, ZIP codes, and places of care. States and countries are left alone,
//! except within an address.

pub(crate) mod city;
pub(crate) mod facility;
pub(crate) mod street;

use crate::{
    lexicon::{FACILITY, FACILITY_TAIL, STREET},
    page::{Page, Span},
    token::Shape,
};

use city::{city_or_institution, city_state, lived_in};
use facility::{facility, saint};
use street::{after_label, street_before, street_from_number, street_without_number};

/// The place that this token starts or completes, if any.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    match token.shape {
        Shape::Number => street_from_number(page, index),
        Shape::Mark(b':') => after_label(page, index),
        Shape::Mark(_) => None,
        _ if token.is(FACILITY | FACILITY_TAIL) => {
            facility(page, index).or_else(|| city_or_institution(page, index))
        }
        Shape::Lower => street_before(page, index),
        _ if token.is(STREET) => street_without_number(page, index).or_else(|| saint(page, index)),
        _ => street_before(page, index)
            .or_else(|| saint(page, index))
            .or_else(|| city_or_institution(page, index))
            .or_else(|| city_state(page, index))
            .or_else(|| lived_in(page, index)),
    }
}
