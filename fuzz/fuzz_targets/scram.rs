//! Whatever the other side of a login sends: no panic, and nobody gets in
//! without the password.
#![no_main]

use almoner_wire::postgres::{
    scram::{AwaitFirst, Binding, ITERATIONS, Mock, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Verifier},
    scram_client::{Client, ClientBinding},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, bool, &[u8], &[u8])| {
    let (bound, plus, first, last) = input;
    let binding = if bound {
        Binding::TlsServerEndPoint(Bytes::from_static(b"hash"))
    } else {
        Binding::None
    };
    let mechanism = if plus {
        SCRAM_SHA_256_PLUS
    } else {
        SCRAM_SHA_256
    };
    let verifier = Verifier::mock(b"user", &Mock::new([7; 32], ITERATIONS));
    let server = AwaitFirst::new(verifier, binding);
    if let Ok((server, _)) = server.first(mechanism.as_bytes(), first, "nonce") {
        assert!(server.finish(last).is_err());
    }

    let password = Bytes::from_static(b"password");
    let client = Client::choose(&[mechanism], ClientBinding::Unsupported, password, "nonce");
    if let Ok(client) = client
        && let Ok((client, _)) = client.start().0.challenge(first)
    {
        assert!(client.finish(last).is_err());
    }
    if let Ok(text) = str::from_utf8(first)
        && let Ok(verifier) = text.parse::<Verifier>()
    {
        assert!(verifier.to_postgres().is_some());
    }
});
