//! A small seeded generator of pseudo-random numbers (splitmix64): the same seed gives the same clinic on
//! every machine and in every release. Never for secrets.

/// The generator's whole state.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose every later answer follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for one subject, so that adding a draw for one leaves the others alone.
    #[must_use]
    pub fn branch(&self, subject: u64) -> Self {
        let mut mixed = Self(self.0 ^ subject.wrapping_mul(0xd6e8_feb8_6659_fd93));
        mixed.draw();
        mixed
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included. The bias of the remainder is far below what a
    /// made-up clinic could show.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1);
        low.saturating_add_unsigned(self.draw() % span)
    }

    /// True in `percent` of the cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of the items; the list must not be empty.
    #[allow(
        clippy::indexing_slicing,
        reason = "drawn below the length; the lists are constants of this crate"
    )]
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let last = i64::try_from(items.len()).unwrap_or(i64::MAX) - 1;
        let index = usize::try_from(self.between(0, last.max(0))).unwrap_or(0);
        items[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // Splitmix64's reference output for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(
            [random.draw(), random.draw()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn both_ends_of_a_range_are_drawn() {
        let mut random = Random::new(1);
        let drawn: std::collections::BTreeSet<i64> =
            (0..200).map(|_| random.between(-1, 2)).collect();
        assert_eq!(drawn, [-1, 0, 1, 2].into());
    }
}
