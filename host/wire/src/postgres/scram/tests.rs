//! SCRAM: the RFC's own example, both sides against each other, and attacks.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use proptest::prelude::*;

use super::*;
use crate::postgres::scram_client::{Client, ClientBinding, ServerVerified};

const NONCE: &str = "server+nonce";
const HASH: Bytes = Bytes::from_static(b"hash of a certificate");

fn verifier(password: &[u8]) -> Verifier {
    Verifier::generate(password, b"sixteen bytes !!", ITERATIONS).unwrap()
}

fn plus() -> Binding {
    Binding::TlsServerEndPoint(HASH)
}

/// Runs a whole login, both sides.
fn login(
    verifier: Verifier,
    server: Binding,
    client: ClientBinding,
    password: &'static [u8],
) -> Result<(bool, ServerVerified), ScramError> {
    let server = AwaitFirst::new(verifier, server);
    let password = Bytes::from_static(password);
    let client = Client::choose(server.mechanisms(), client, password, "client+nonce")?;
    let (client, mechanism, first) = client.start();
    let (server, challenge) = server.first(mechanism.as_bytes(), &first, NONCE)?;
    let (client, fin) = client.challenge(&challenge)?;
    let accepted = server.finish(&fin)?;
    let verified = client.finish(&accepted.server_final)?;
    Ok((accepted.bound, verified))
}

#[test]
fn the_example_of_rfc_7677_is_accepted() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let verifier = Verifier::generate(b"pencil", &salt, 4096).unwrap();
    let (server, challenge) = AwaitFirst::new(verifier, Binding::None)
        .first(
            b"SCRAM-SHA-256",
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        )
        .unwrap();
    assert_eq!(
        challenge,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let accepted = server
        .finish(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        .unwrap();
    assert_eq!(
        accepted.server_final,
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    assert!(!accepted.bound);
}

#[test]
fn both_sides_agree_with_and_without_channel_binding() {
    let plain = || verifier(b"pw");
    let result = login(plain(), Binding::None, ClientBinding::Unsupported, b"pw").unwrap();
    assert_eq!(result, (false, ServerVerified { bound: false }));
    let result = login(
        plain(),
        Binding::None,
        ClientBinding::Preferred(HASH),
        b"pw",
    )
    .unwrap();
    assert_eq!(result, (false, ServerVerified { bound: false }));
    let result = login(plain(), plus(), ClientBinding::Unsupported, b"pw").unwrap();
    assert_eq!(result, (false, ServerVerified { bound: false }));
    let result = login(plain(), plus(), ClientBinding::Required(HASH), b"pw").unwrap();
    assert_eq!(result, (true, ServerVerified { bound: true }));
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mock = Mock::new([7; 32], ITERATIONS);
    let unknown = || Verifier::mock(b"nobody", &mock);
    let none = || ClientBinding::Unsupported;
    let wrong = login(verifier(b"pw"), Binding::None, none(), b"other").unwrap_err();
    assert_eq!(wrong, ScramError::Proof);
    assert_eq!(
        login(unknown(), Binding::None, none(), b"pw").unwrap_err(),
        wrong
    );
    // The same salt at every try, another one for everybody, the usual sizes.
    assert_eq!(unknown().salt(), unknown().salt());
    assert_ne!(unknown().salt(), Verifier::mock(b"somebody", &mock).salt());
    assert_eq!(unknown().salt().len(), SALT_BYTES);
    assert_eq!(unknown().to_postgres(), None);
}

#[test]
fn even_a_right_proof_does_not_open_a_mock() {
    let mut known = verifier(b"pw");
    known.mock = true;
    let result = login(known, Binding::None, ClientBinding::Unsupported, b"pw");
    assert_eq!(result.unwrap_err(), ScramError::Proof);
}

#[test]
fn a_certificate_in_between_is_noticed() {
    let other = Bytes::from_static(b"hash of another one");
    let result = login(
        verifier(b"pw"),
        plus(),
        ClientBinding::Required(other),
        b"pw",
    );
    assert!(matches!(result.unwrap_err(), ScramError::Binding(_)));
}

#[test]
fn a_client_that_was_not_shown_plus_is_refused() {
    let first = |mechanism: &[u8], message: &[u8], binding| {
        let server = AwaitFirst::new(verifier(b"pw"), binding);
        server.first(mechanism, message, NONCE).err()
    };
    let plain = SCRAM_SHA_256.as_bytes();
    let bound = SCRAM_SHA_256_PLUS.as_bytes();
    assert!(matches!(
        first(plain, b"y,,n=,r=x", plus()),
        Some(ScramError::Binding(_))
    ));
    assert_eq!(first(plain, b"y,,n=,r=x", Binding::None), None);
    assert_eq!(first(plain, b"n,,n=,r=x", plus()), None);
    // Mechanism and header must agree, and PLUS must have been offered.
    let header = b"p=tls-server-end-point,,n=,r=x";
    assert!(matches!(
        first(plain, header, plus()),
        Some(ScramError::Binding(_))
    ));
    assert!(matches!(
        first(bound, b"n,,n=,r=x", plus()),
        Some(ScramError::Binding(_))
    ));
    assert!(matches!(
        first(bound, b"y,,n=,r=x", plus()),
        Some(ScramError::Binding(_))
    ));
    assert!(matches!(
        first(bound, b"p=tls-unique,,n=,r=x", plus()),
        Some(ScramError::Binding(_))
    ));
    assert_eq!(
        first(bound, header, Binding::None),
        Some(ScramError::Mechanism)
    );
    assert_eq!(
        first(b"SCRAM-SHA-1", header, plus()),
        Some(ScramError::Mechanism)
    );
}

#[test]
fn first_messages_that_break_the_grammar_are_refused() {
    for message in [
        &b""[..],
        b"n",
        b"n,,",
        b"n,,n=",
        b"n,,n=,r=",
        b"n,,r=x,n=",
        b"n,a=admin,n=,r=x",
        b"x,,n=,r=x",
        b"n,,m=ext,n=,r=x",
        b"n,,n=,r=x,m=ext",
        b"n,,n=,r=x,bad",
        b"n,,n=,r=x\x01",
        b"n,,n=\xff,r=x",
        b"n,,n=\0,r=x",
    ] {
        let server = AwaitFirst::new(verifier(b"pw"), Binding::None);
        let result = server.first(SCRAM_SHA_256.as_bytes(), message, NONCE);
        assert!(
            matches!(result.err(), Some(ScramError::Malformed(_))),
            "{message:?}"
        );
    }
    let long = format!("n,,n=,r={}", "x".repeat(4096));
    let server = AwaitFirst::new(verifier(b"pw"), Binding::None);
    assert!(
        server
            .first(SCRAM_SHA_256.as_bytes(), long.as_bytes(), NONCE)
            .is_err()
    );
}

/// A server that has sent its challenge, and the right final message for it.
fn challenged() -> (AwaitFinal, String) {
    let password = Bytes::from_static(b"pw");
    let client = Client::choose(&[SCRAM_SHA_256], ClientBinding::Unsupported, password, "c");
    let (client, mechanism, first) = client.unwrap().start();
    let server = AwaitFirst::new(verifier(b"pw"), Binding::None);
    let (server, challenge) = server.first(mechanism.as_bytes(), &first, NONCE).unwrap();
    let (_, fin) = client.challenge(&challenge).unwrap();
    (server, String::from_utf8(fin.to_vec()).unwrap())
}

#[test]
fn final_messages_that_were_tampered_with_are_refused() {
    let (server, fin) = challenged();
    assert!(server.finish(fin.as_bytes()).is_ok());
    let (head, proof) = fin.rsplit_once(",p=").unwrap();
    let short = STANDARD.encode(&STANDARD.decode(proof).unwrap()[..31]);
    let long = STANDARD.encode([&STANDARD.decode(proof).unwrap()[..], b"x"].concat());
    for message in [
        // No proof, an empty one, a short one, a long one, not base64.
        head.to_owned(),
        format!("{head},p="),
        format!("{head},p={short}"),
        format!("{head},p={long}"),
        format!("{head},p=!{proof}"),
        format!("{head},p={proof},x=y"),
        // Another binding, another nonce, a nonce cut short, an extension.
        fin.replace("c=biws", "c=eSws"),
        fin.replace("c=biws", "c="),
        fin.replace(NONCE, "other+nonce"),
        fin.replace(NONCE, ""),
        format!("{head},m=ext,p={proof}"),
        // An extension the proof does not cover.
        format!("{head},x=y,p={proof}"),
    ] {
        let (server, _) = challenged();
        assert!(server.finish(message.as_bytes()).is_err(), "{message}");
    }
}

#[test]
fn a_nonce_of_ours_that_cannot_be_sent_is_refused() {
    for nonce in ["", "a,b", "a b", "\u{e9}"] {
        let server = AwaitFirst::new(verifier(b"pw"), Binding::None);
        let result = server.first(SCRAM_SHA_256.as_bytes(), b"n,,n=,r=x", nonce);
        assert_eq!(result.err(), Some(ScramError::Nonce));
        let password = Bytes::from_static(b"pw");
        let client = Client::choose(
            &[SCRAM_SHA_256],
            ClientBinding::Unsupported,
            password,
            nonce,
        );
        assert_eq!(client.err(), Some(ScramError::Nonce));
    }
}

#[test]
fn a_verifier_is_written_and_read_as_postgresql_does() {
    let text = verifier(b"pw").to_postgres().unwrap();
    assert!(text.starts_with("SCRAM-SHA-256$4096:c2l4dGVlbiBieXRlcyAhIQ==$"));
    let read: Verifier = text.parse().unwrap();
    assert_eq!(read.to_postgres().unwrap(), text);
    assert!(login(read, Binding::None, ClientBinding::Unsupported, b"pw").is_ok());
    for wrong in [
        "",
        "md5abc",
        &text[..text.len() - 1],
        &format!("{text}$"),
        &text.replace("4096", "+4096"),
        &text.replace("4096", "1000"),
        &text.replace("4096", "99999999999"),
        &text.replace("c2l4dGVlbiBieXRlcyAhIQ==", ""),
    ] {
        assert!(wrong.parse::<Verifier>().is_err(), "{wrong}");
    }
}

#[test]
fn passwords_are_prepared_as_postgresql_prepares_them() {
    let same = |a: &[u8], b: &[u8]| {
        verifier(a).to_postgres().unwrap() == verifier(b).to_postgres().unwrap()
    };
    // Compatibility forms are folded, soft hyphens vanish (RFC 4013)...
    assert!(same("\u{2168}".as_bytes(), b"IX"));
    assert!(same("I\u{ad}X".as_bytes(), b"IX"));
    // ...but what cannot be prepared is used as it is.
    assert!(!same("\u{ad}".as_bytes(), b""));
    assert!(!same(b"a\xff", b"a"));
    assert!(!same(b"a\x07", b"a"));
}

#[test]
fn the_client_does_not_trust_the_server() {
    let start = || {
        let password = Bytes::from_static(b"pw");
        let client = Client::choose(
            &[SCRAM_SHA_256],
            ClientBinding::Unsupported,
            password,
            "abc",
        );
        client.unwrap().start().0
    };
    for challenge in [
        // A nonce that is not ours, or adds nothing; few or too many iterations.
        "r=xbcd,s=c2FsdA==,i=4096",
        "r=abc,s=c2FsdA==,i=4096",
        "r=abcd,s=c2FsdA==,i=1",
        "r=abcd,s=c2FsdA==,i=1000001",
        "r=abcd,s=c2FsdA==,i=-4096",
        "r=abcd,s=,i=4096",
        "r=abcd,s=!,i=4096",
        "r=abcd,i=4096",
        "m=ext,r=abcd,s=c2FsdA==,i=4096",
        "r=abcd,s=c2FsdA==,i=4096,m=ext",
    ] {
        assert!(
            start().challenge(challenge.as_bytes()).is_err(),
            "{challenge}"
        );
    }
    for (last, error) in [
        ("v=", ScramError::ServerSignature),
        ("v=AAAA", ScramError::ServerSignature),
        (
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ScramError::ServerSignature,
        ),
        ("e=invalid-proof", ScramError::Refused),
    ] {
        let (client, _) = start().challenge(b"r=abcd,s=c2FsdA==,i=4096").unwrap();
        assert_eq!(client.finish(last.as_bytes()), Err(error), "{last}");
    }
}

#[test]
fn the_client_insists_on_the_binding_it_requires() {
    let choose = |offered: &[&str], binding| {
        Client::choose(offered, binding, Bytes::from_static(b"pw"), "abc").err()
    };
    let required = choose(&[SCRAM_SHA_256], ClientBinding::Required(HASH));
    assert!(matches!(required, Some(ScramError::Binding(_))));
    let only_plus = choose(&[SCRAM_SHA_256_PLUS], ClientBinding::Unsupported);
    assert_eq!(only_plus, Some(ScramError::Mechanism));
    assert_eq!(
        choose(&["OAUTHBEARER"], ClientBinding::Preferred(HASH)),
        Some(ScramError::Mechanism)
    );
}

#[test]
fn debug_output_shows_no_secrets() {
    assert_eq!(format!("{:?}", verifier(b"pw")), "Verifier(..)");
    assert_eq!(format!("{:?}", challenged().0), "AwaitFinal(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_messages_never_panic(
        first in "([nyp]?(=[a-z-]{0,4})?,){0,3}(n=[a-z]?,)?(r=[ -~]{0,4})?(,[a-z]=.?)?",
        fin in "(c=[a-zA-Z=]{0,4},)?(r=[ -~]{0,4})?(,[a-z]=.?)?(,p=[a-zA-Z=]{0,44})?",
        raw in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for message in [first.as_bytes(), &raw] {
            let server = AwaitFirst::new(Verifier::mock(b"u", &Mock::new([0; 32], 4096)), plus());
            if let Ok((server, _)) = server.first(SCRAM_SHA_256.as_bytes(), message, NONCE) {
                prop_assert!(server.finish(fin.as_bytes()).is_err());
            }
        }
    }
}
