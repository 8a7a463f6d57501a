//! Who gets in, over which road, and what those who do not are told.

use almoner_tests::certificates::client_trusting;
use almoner_tests::raw::Raw;
use almoner_tests::{World, WorldPlan, driver};

/// What psql prints for a refused login, without the address.
fn refusal(world: &World, user: &str, password: &str, resource: &str) -> String {
    let psql =
        almoner_stage::Psql::new("127.0.0.1", world.gateway.port(), user, password, resource);
    let finished = psql.query("select 1").expect("psql runs");
    assert_eq!(finished.code, Some(2), "a refused login: {finished:?}");
    let at = finished.stderr.find("FATAL").expect("a fatal error");
    finished.stderr[at..].to_owned()
}

#[test]
fn a_known_user_with_the_right_password_gets_in() {
    let world = World::start().unwrap();
    let finished = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("select 1 as one")
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.contains("one") && finished.stdout.contains("(1 row)"),
        "{finished:?}"
    );
}

#[test]
fn a_refused_login_does_not_tell_why() {
    let world = World::start().unwrap();
    let wrong_password = refusal(&world, "ward-assistant", "wrong", "clinic");
    let unknown_user = refusal(&world, "nobody-here", "wrong", "clinic");
    let unknown_resource = refusal(&world, "ward-assistant", "wrong", "no-such-resource");
    let normal = |text: &str| {
        text.replace("nobody-here", "U")
            .replace("ward-assistant", "U")
            .replace("no-such-resource", "R")
    };
    assert_eq!(normal(&wrong_password), normal(&unknown_user));
    assert_eq!(normal(&wrong_password), normal(&unknown_resource));
}

#[test]
fn a_resource_that_is_not_allowed_looks_like_one_that_does_not_exist() {
    let world = World::start().unwrap();
    let unknown = refusal(&world, "stranger", "stranger-password", "no-such-resource");
    let forbidden = refusal(&world, "stranger", "stranger-password", "clinic");
    assert_eq!(
        unknown.replace("no-such-resource", "R"),
        forbidden.replace("clinic", "R")
    );
}

#[tokio::test]
async fn a_driver_connects_over_tls_when_it_trusts_the_certificate() {
    let world = World::start().unwrap();
    let shown = std::fs::read_dir(world.gateway.data_folder())
        .unwrap()
        .flat_map(|entry| {
            [
                entry.as_ref().unwrap().path(),
                entry.unwrap().path().join("cert.pem"),
            ]
        })
        .find(|path| path.file_name().is_some_and(|name| name == "cert.pem") && path.is_file())
        .expect("the self-signed certificate");
    let tls = client_trusting(&std::fs::read_to_string(shown).unwrap()).unwrap();
    let client = driver::connect_tls(&world, "ward-assistant", "clinic", tls)
        .await
        .unwrap();
    let row = client
        .query_one("select count(*) from patients", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), world.clinic.patients.len() as i64);
}

#[test]
fn plain_text_is_refused_where_tls_is_required() {
    let plan = WorldPlan {
        more: "[tls]\nrequired = true\n".into(),
        ..WorldPlan::default()
    };
    let world = plan.start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let plain = psql
        .clone()
        .with("PGSSLMODE", "disable")
        .query("select 1")
        .unwrap();
    assert_eq!(plain.code, Some(2), "{plain:?}");
    let encrypted = psql.with("PGSSLMODE", "require").query("select 1").unwrap();
    assert_eq!(encrypted.code, Some(0), "{encrypted:?}");
}

#[test]
fn gss_encryption_is_declined_and_the_connection_goes_on() {
    let world = World::start().unwrap();
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.send_bytes(&[0, 0, 0, 8]).unwrap();
    raw.send_bytes(&80_877_104_u32.to_be_bytes()).unwrap();
    assert_eq!(raw.receive_byte().unwrap(), b'N');
    raw.startup(
        196_608,
        &[("user", "ward-assistant"), ("database", "clinic")],
    )
    .unwrap();
    raw.authenticate("ward-assistant-password").unwrap();
    raw.until('Z').unwrap();
}

#[test]
fn replication_is_refused() {
    let world = World::start().unwrap();
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.startup(
        196_608,
        &[
            ("user", "ward-assistant"),
            ("database", "clinic"),
            ("replication", "database"),
        ],
    )
    .unwrap();
    let refused = raw
        .authenticate("ward-assistant-password")
        .and_then(|()| raw.until('Z').map(|_| ()));
    assert!(refused.is_err());
}
