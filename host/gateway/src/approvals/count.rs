//! Counting approvals: each person fills at most one place, and every place wants somebody of its group.
//!
//! Who fills which place is settled by matching, not in the order of arrival: if Ana may speak for two
//! groups and Ben for one of them only, the two of them satisfy both groups whoever comes first.

use crate::config::policy::Requirement;

/// The places that have to be filled, and the groups of each person who may fill one.
pub(super) struct Places {
    requirements: Vec<Requirement>,
}

impl Places {
    /// Requirements on the same group do not add up: two different people of a group are also one. A count of
    /// zero means one, because whatever asked for an approval meant that somebody should look.
    pub(super) fn new(asked: &[Requirement]) -> Self {
        let mut requirements: Vec<Requirement> = Vec::new();
        for one in asked {
            let count = one.count.max(1);
            match requirements
                .iter_mut()
                .find(|known| known.group == one.group)
            {
                Some(known) => known.count = known.count.max(count),
                None => requirements.push(Requirement {
                    group: one.group.clone(),
                    count,
                }),
            }
        }
        Self { requirements }
    }

    /// The requirements, one for each group.
    pub(super) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// How many places of each requirement the people fill, in the best way to seat them.
    pub(super) fn filled<G: AsRef<[String]>>(&self, people: &[G]) -> Vec<usize> {
        let mut seats = Seats {
            places: self,
            people,
            taken: Vec::new(),
        };
        for person in 0..people.len() {
            let mut tried = vec![false; self.requirements.len()];
            seats.seat(person, &mut tried);
        }
        let mut filled = vec![0; self.requirements.len()];
        for (_, place) in seats.taken {
            if let Some(count) = filled.get_mut(place) {
                *count += 1;
            }
        }
        filled
    }

    /// What is still needed once these people have approved.
    pub(super) fn outstanding<G: AsRef<[String]>>(&self, people: &[G]) -> Vec<Requirement> {
        let filled = self.filled(people);
        self.requirements
            .iter()
            .zip(filled)
            .filter_map(|(one, filled)| {
                let missing = usize::from(one.count).saturating_sub(filled);
                let count = u8::try_from(missing).unwrap_or(u8::MAX);
                (count > 0).then(|| Requirement {
                    group: one.group.clone(),
                    count,
                })
            })
            .collect()
    }
}

/// Bipartite matching by augmenting paths. A handful of people and groups, so nothing cleverer is needed.
struct Seats<'a, G> {
    places: &'a Places,
    people: &'a [G],
    /// Person and requirement, by position.
    taken: Vec<(usize, usize)>,
}

impl<G: AsRef<[String]>> Seats<'_, G> {
    /// Finds a place for the person, moving others who could sit elsewhere. Each requirement is tried once.
    fn seat(&mut self, person: usize, tried: &mut [bool]) -> bool {
        for (place, requirement) in self.places.requirements.iter().enumerate() {
            let member = self
                .people
                .get(person)
                .is_some_and(|groups| groups.as_ref().contains(&requirement.group));
            match tried.get_mut(place) {
                Some(tried) if member && !*tried => *tried = true,
                _ => continue,
            }
            let sitting: Vec<usize> = self
                .taken
                .iter()
                .filter(|seat| seat.1 == place)
                .map(|seat| seat.0)
                .collect();
            if sitting.len() < usize::from(requirement.count) {
                self.taken.push((person, place));
                return true;
            }
            for other in sitting {
                self.taken.retain(|seat| seat.0 != other);
                if self.seat(other, tried) {
                    self.taken.push((person, place));
                    return true;
                }
                self.taken.push((other, place));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use proptest::prelude::*;

    fn want(text: &str) -> Vec<Requirement> {
        text.split_whitespace()
            .map(|one| {
                let (group, count) = one.split_once('=').unwrap();
                Requirement {
                    group: group.into(),
                    count: count.parse().unwrap(),
                }
            })
            .collect()
    }

    fn people(text: &str) -> Vec<Vec<String>> {
        text.split_whitespace()
            .map(|groups| groups.split('+').map(Into::into).collect())
            .collect()
    }

    #[test]
    fn people_are_seated_so_that_as_many_as_possible_count() {
        for (asked, approved, outstanding) in [
            ("m=1", "", "m=1"),
            ("m=1", "m", ""),
            ("m=1", "x", "m=1"),
            ("m=2", "m", "m=1"),
            ("m=2", "m m", ""),
            ("m=0", "", "m=1"),
            ("m=1 p=1", "m+p", "p=1"),
            ("m=1 p=1", "m+p m", ""),
            ("m=1 p=1", "m+p p", ""),
            ("m=1 p=1", "p m", ""),
            ("m=1 m=2", "m", "m=1"),
            ("m=1 m=2", "m m", ""),
            ("m=1 p=1 s=1", "m+p p+s m", ""),
            ("m=1 p=1 s=1", "m+p p+s m+s", ""),
            ("m=2 p=1", "m+p m m", ""),
        ] {
            let places = Places::new(&want(asked));
            assert_eq!(
                places.outstanding(&people(approved)),
                want(outstanding),
                "{asked} | {approved}"
            );
        }
    }

    /// The slow way: every way to give each person one place or none.
    fn best(requirements: &[Requirement], people: &[Vec<String>], left: &[u8]) -> usize {
        let Some((first, rest)) = people.split_first() else {
            return 0;
        };
        let mut most = best(requirements, rest, left);
        for (at, requirement) in requirements.iter().enumerate() {
            if left.get(at).is_some_and(|left| *left > 0) && first.contains(&requirement.group) {
                let mut left = left.to_vec();
                *left.get_mut(at).unwrap() -= 1;
                most = most.max(1 + best(requirements, rest, &left));
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_seating_is_better_and_order_does_not_matter(
            counts in proptest::collection::vec(1_u8..3, 1..4),
            memberships in proptest::collection::vec(0_u8..16, 0..6),
        ) {
            let requirements: Vec<Requirement> =
                counts.iter().enumerate().map(|(at, count)| Requirement { group: at.to_string(), count: *count }).collect();
            let people: Vec<Vec<String>> = memberships
                .iter()
                .map(|bits| (0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit: u8| bit.to_string()).collect())
                .collect();
            let places = Places::new(&requirements);
            let seated: usize = places.filled(&people).iter().sum();
            prop_assert_eq!(seated, best(&requirements, &people, &counts));
            let reversed: Vec<_> = people.iter().rev().cloned().collect();
            prop_assert_eq!(places.filled(&reversed).iter().sum::<usize>(), seated);
        }
    }
}
