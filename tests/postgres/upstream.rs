//! The server behind: unreachable, encrypted, wrongly certified.

use almoner_stage::postgres::Options;
use almoner_tests::certificates::Authority;
use almoner_tests::{World, WorldPlan, binary};

fn encrypted(tls: almoner_stage::postgres::Tls, mode: &str, authority: &Authority) -> World {
    let folder = tempfile::tempdir().unwrap().keep();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let postgres = Options {
        tls: Some(tls),
        tls_required: true,
        cache: binary::cache(),
        ..Options::default()
    };
    WorldPlan {
        postgres,
        patients: 5,
        ..WorldPlan::default()
    }
    .upstream("tls", &format!("\"{mode}\""))
    .upstream("ca", &format!("\"{}\"", ca.display()))
    .start()
    .unwrap()
}

fn ask(world: &World) -> almoner_stage::psql::Finished {
    world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("select count(*) from patients")
        .unwrap()
}

#[test]
fn an_upstream_with_a_good_certificate_is_used() {
    let authority = Authority::new().unwrap();
    let world = encrypted(
        authority.certify(&["127.0.0.1"]).unwrap(),
        "verify-full",
        &authority,
    );
    let finished = ask(&world);
    assert!(
        finished.code == Some(0) && finished.stdout.contains('5'),
        "{finished:?}"
    );
}

#[test]
fn an_upstream_whose_certificate_does_not_hold_is_not_used() {
    let authority = Authority::new().unwrap();
    let other = Authority::new().unwrap();
    let bad = [
        (
            "of another authority",
            other.certify(&["127.0.0.1"]).unwrap(),
        ),
        (
            "expired",
            authority.certify_expired(&["127.0.0.1"]).unwrap(),
        ),
        (
            "for another name",
            authority.certify(&["db.example"]).unwrap(),
        ),
    ];
    for (what, tls) in bad {
        let world = encrypted(tls, "verify-full", &authority);
        let finished = ask(&world);
        assert_ne!(finished.code, Some(0), "a certificate {what}: {finished:?}");
        assert!(
            finished.stderr.contains("FATAL") || finished.stderr.contains("ERROR"),
            "{what}: {finished:?}"
        );
    }
}

#[test]
fn an_upstream_that_is_down_is_an_error_and_one_that_returns_is_used() {
    let mut world = World::start().unwrap();
    world.postgres.stop().unwrap();
    let finished = ask(&world);
    assert_ne!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("FATAL") || finished.stderr.contains("ERROR"),
        "{finished:?}"
    );
    for secret in [
        almoner_tests::world::UPSTREAM_PASSWORD,
        almoner_tests::world::UPSTREAM_USER,
    ] {
        assert!(!finished.stderr.contains(secret), "{finished:?}");
        assert!(
            !world
                .gateway
                .log()
                .contains(almoner_tests::world::UPSTREAM_PASSWORD)
        );
    }
    world.postgres.start_again().unwrap();
    let finished = ask(&world);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
