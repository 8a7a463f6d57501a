//! Whatever is done to a chain, the verifier says so and says where.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod support;

use almoner_ledger::{BreakCode, Draft, Kind, Report, SigningKey, Verdict, Verifier};
use proptest::prelude::*;
use support::{Chain, verify};

fn chain(records: u64) -> Chain {
    let mut chain = Chain::begin();
    for at in 2..records {
        if at == records / 2 {
            chain.checkpoint();
        }
        chain.talk_one(at - 2);
    }
    chain.checkpoint();
    chain
}

impl Chain {
    fn talk_one(&mut self, i: u64) {
        self.talk_as(i, "a-rule");
    }

    fn talk_as(&mut self, i: u64, rule: &str) {
        let draft = Draft::new(Kind::Outcome, self.time())
            .with("rows", i)
            .with("rule", rule)
            .with("masked", i.is_multiple_of(2));
        let body = format!("body {i}");
        self.append(
            draft,
            Some((["s-a", "s-b"][(i % 2) as usize], i / 2)),
            &[body.as_bytes()],
        );
    }
}

fn codes(report: &Report) -> Vec<(BreakCode, Option<u64>)> {
    report
        .failures
        .iter()
        .map(|found| (found.code, found.seq))
        .collect()
}

#[test]
fn an_untouched_chain_verifies_to_the_end() {
    let report = chain(12).verify();
    assert_eq!(report.verdict, Verdict::Verified, "{report:#?}");
    assert_eq!(
        (report.exit_code, report.records, report.unsigned_tail),
        (0, 12, 0)
    );
    assert_eq!(report.bodies.checked, 10);
    assert_eq!(report.sessions, 2);
    assert_eq!(report.good, [(0, 11)]);
}

#[test]
fn nothing_at_all_never_verifies() {
    let report = Verifier::new(vec![], true).finish();
    assert_eq!((report.verdict, report.exit_code), (Verdict::Incomplete, 3));
    assert!(
        report
            .limits
            .iter()
            .any(|limit| limit.contains("nothing to verify"))
    );
}

#[test]
fn a_checkpoint_without_its_records_is_a_cut() {
    let chain = chain(12);
    let report = verify(&[], &[], &chain.notes, &chain.key);
    assert_eq!(report.verdict, Verdict::Failed);
}

#[test]
fn an_unsigned_tail_is_incomplete() {
    let mut chain = chain(12);
    chain.talk_one(10);
    let report = chain.verify();
    assert_eq!((report.exit_code, report.unsigned_tail), (3, 1));
}

#[test]
fn a_cut_tail_is_named_by_the_checkpoint_that_covers_it() {
    let mut chain = chain(12);
    chain.lines.truncate(10);
    let report = chain.verify();
    assert_eq!(codes(&report), [(BreakCode::Truncated, Some(10))]);
}

#[test]
fn a_chain_rewritten_as_a_whole_is_named_from_the_last_root_that_agrees() {
    let honest = chain(12);
    let mut forged = Chain::begin();
    (0..10).for_each(|i| {
        if i == 7 {
            forged.talk_as(i, "forged")
        } else {
            forged.talk_one(i)
        }
    });
    // Until record 8 they are the same; everything after is chained anew. The notes are the honest ones.
    let report = verify(&forged.lines, &forged.bodies, &honest.notes, &honest.key);
    assert!(
        codes(&report).contains(&(BreakCode::Root, Some(6))),
        "{report:#?}"
    );
    assert_eq!(report.checkpoints, 1);
}

#[test]
fn one_changed_record_spoils_no_root_after_it() {
    let mut chain = chain(12);
    let at = chain.lines[4]
        .windows(6)
        .position(|part| part == b"a-rule")
        .unwrap();
    chain.lines[4][at] = b'b';
    let report = chain.verify();
    assert_eq!(codes(&report), [(BreakCode::Chain, Some(4))], "{report:#?}");
    assert_eq!(report.good, [(0, 3), (5, 11)]);
    assert_eq!(report.checkpoints, 2);
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let mut chain = chain(12);
    let other = SigningKey::from_seed("hospital.example/audit/1", &[8; 32]);
    chain.key = other;
    let report = chain.verify();
    assert_eq!(
        report
            .failures
            .iter()
            .filter(|found| found.code == BreakCode::Signature)
            .count(),
        2
    );
    assert_eq!(report.unsigned_tail, 12);
}

#[test]
fn a_body_that_is_changed_absent_or_too_many_is_named() {
    let mut chain = chain(12);
    chain.bodies[3][0][0] ^= 1;
    chain.bodies[5].clear();
    chain.bodies[7].push(b"extra".to_vec());
    let report = chain.verify();
    assert_eq!(
        codes(&report),
        [
            (BreakCode::Body, Some(3)),
            (BreakCode::Extra, Some(7)),
            (BreakCode::BodyMissing, Some(5))
        ]
    );
}

#[test]
fn a_tombstone_excuses_the_bodies_it_names() {
    let mut chain = chain(12);
    chain.bodies[5].clear();
    chain.append(
        Draft::new(Kind::Tombstone, chain.time())
            .with("from_seq", 5)
            .with("to_seq", 5),
        None,
        &[],
    );
    chain.checkpoint();
    let report = chain.verify();
    assert_eq!(
        (report.verdict, report.bodies.tombstoned),
        (Verdict::Verified, 1)
    );
}

#[test]
fn a_sessions_counter_that_jumps_is_named() {
    let mut chain = chain(12);
    chain.append(
        Draft::new(Kind::Outcome, chain.time()),
        Some(("s-a", 6)),
        &[],
    );
    chain.checkpoint();
    assert_eq!(codes(&chain.verify()), [(BreakCode::Session, Some(12))]);
}

#[test]
fn an_epoch_begins_with_a_recovery_and_with_nothing_else() {
    let mut lost = chain(12);
    lost.talk_one(10);
    let beyond = lost.checkpoint();
    let mut chain = chain(12);
    chain.notes.push(beyond.clone());
    chain.recover(12);
    chain.checkpoint();
    let report = chain.verify();
    assert_eq!(
        (report.exit_code, codes(&report)),
        (3, vec![]),
        "{report:#?}"
    );
    assert!(
        report
            .limits
            .iter()
            .any(|limit| limit.contains("declares a loss"))
    );

    let mut hidden = support::Chain::begin();
    (0..10).for_each(|i| hidden.talk_one(i));
    hidden.recover(11);
    hidden.checkpoint();
    hidden.notes.push(beyond);
    let report = hidden.verify();
    assert_eq!(
        codes(&report),
        [(BreakCode::Truncated, Some(12))],
        "more was signed than the recovery admits"
    );

    let mut silent = support::Chain::begin();
    silent.origin = silent.origin.next();
    silent.talk_one(0);
    assert!(codes(&silent.verify()).contains(&(BreakCode::Origin, Some(2))));
}

#[test]
fn an_unknown_version_alone_is_unreadable_and_not_a_failure() {
    let lines: Vec<Vec<u8>> = vec![br#"{"v":2}"#.to_vec()];
    let report = verify(&lines, &[], &[], &chain(3).key);
    assert_eq!((report.verdict, report.exit_code), (Verdict::Unreadable, 4));
}

#[test]
fn a_version_that_was_changed_is_a_failure_and_not_another_version() {
    let mut chain = chain(12);
    let at = chain.lines[4].len() - 2;
    chain.lines[4][at] = b'2';
    let report = chain.verify();
    assert_eq!(report.exit_code, 1);
    assert_eq!(
        codes(&report),
        [(BreakCode::Version, Some(4)), (BreakCode::Chain, Some(4))]
    );
    assert_eq!(report.good, [(0, 3), (5, 11)]);
}

#[test]
fn a_record_with_another_number_is_named_by_its_place_alone() {
    for (line, claims) in [(3_usize, 8_u64), (8, 3), (5, 900)] {
        let mut chain = chain(12);
        let text = String::from_utf8(chain.lines[line].clone()).unwrap();
        let changed = text.replace(&format!("\"seq\":{line},"), &format!("\"seq\":{claims},"));
        assert_ne!(text, changed);
        chain.lines[line] = changed.into_bytes();
        // Its body is changed as well, and that is said of the record it lies beside.
        chain.bodies[line][0][0] ^= 1;
        let report = chain.verify();
        assert_eq!(
            codes(&report),
            [
                (BreakCode::SeqOrder, Some(line as u64)),
                (BreakCode::Body, Some(line as u64)),
            ],
            "{claims}"
        );
        assert_eq!(report.first_bad_seq, Some(line as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_byte_is_found_and_its_record_named(line in 0_usize..12, at in 0_usize..400, to: u8) {
        let mut chain = chain(12);
        let at = at % chain.lines[line].len();
        prop_assume!(chain.lines[line][at] != to);
        chain.lines[line][at] = to;
        let report = chain.verify();
        prop_assert_eq!(report.exit_code, 1);
        // Nothing but the root vouches for the last record, and a root covers all since the one before.
        let only_the_root = line == 11 && codes(&report).contains(&(BreakCode::Root, Some(6)));
        let named = report.first_bad_seq == Some(line as u64);
        prop_assert!(only_the_root || named, "{:?}", codes(&report));
    }

    #[test]
    fn any_removed_record_is_found_and_named(from in 0_usize..12, count in 1_usize..12) {
        let mut chain = chain(12);
        let to = (from + count).min(12);
        chain.lines.drain(from..to);
        let report = chain.verify();
        prop_assert_eq!(report.exit_code, 1);
        prop_assert_eq!(report.first_bad_seq, Some(from as u64), "{:?}", codes(&report));
    }

    #[test]
    fn any_repeated_or_inserted_record_is_found(from in 0_usize..12, to in 0_usize..=12) {
        let mut chain = chain(12);
        let line = chain.lines[from].clone();
        chain.lines.insert(to, line);
        prop_assert_eq!(chain.verify().exit_code, 1);
    }

    #[test]
    fn any_two_records_that_change_places_are_found(one in 0_usize..12, other in 0_usize..12) {
        prop_assume!(one != other);
        let mut chain = chain(12);
        chain.lines.swap(one, other);
        let report = chain.verify();
        prop_assert_eq!(report.exit_code, 1);
        prop_assert_eq!(report.first_bad_seq, Some(one.min(other) as u64), "{:?}", codes(&report));
    }

    #[test]
    fn any_several_changes_are_found(changes in prop::collection::vec((0_usize..12, 0_usize..400, any::<u8>()), 1..6)) {
        let mut chain = chain(12);
        let before = chain.lines.clone();
        for (line, at, to) in changes {
            let at = at % chain.lines[line].len();
            chain.lines[line][at] = to;
        }
        let changed = chain.lines != before;
        prop_assert_eq!(chain.verify().exit_code == 1, changed);
    }

    #[test]
    fn lines_that_are_anything_at_all_never_verify_and_never_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6)) {
        let report = verify(&lines, &[], &[], &chain(3).key);
        prop_assert_ne!(report.exit_code, 0);
    }
}

#[test]
fn a_body_that_is_there_twice_does_not_hide_one_that_is_not() {
    let mut chain = Chain::begin();
    let draft = Draft::new(Kind::Outcome, chain.time()).with("rows", 1);
    chain.append(draft, Some(("s-a", 0)), &[b"request", b"response"]);
    chain.checkpoint();
    let mut verifier = Verifier::new(vec![chain.key.verifier()], true);
    chain
        .notes
        .iter()
        .for_each(|note| verifier.checkpoint(note.clone(), false));
    for line in &chain.lines {
        let mut examined = almoner_ledger::Examined::of(line);
        if examined.bodies().len() == 2 {
            examined.body(0, b"request");
            examined.body(0, b"request");
        }
        verifier.accept(examined);
    }
    let report = verifier.finish();
    let codes: Vec<BreakCode> = codes(&report).into_iter().map(|(code, _)| code).collect();
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert!(
        codes.contains(&BreakCode::Extra) && codes.contains(&BreakCode::BodyMissing),
        "{report:#?}"
    );
}
