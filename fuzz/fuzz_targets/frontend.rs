//! Whatever a client sends: no panic, and what is understood is written again
//! byte for byte.
#![no_main]

use almoner_wire::postgres::{
    Decoder, Direction, Frontend, Limits,
    frontend::{SaslInitial, password},
};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(Limits::new(Direction::Frontend, 1 << 16));
    let mut buf = BytesMut::from(data);
    while let Ok(Some(frame)) = decoder.decode(&mut buf) {
        let Ok(message) = Frontend::decode(&frame) else {
            continue;
        };
        let mut out = BytesMut::new();
        message
            .encode(&mut out)
            .expect("what was read can be written");
        assert_eq!(out, frame.raw());
        if let Frontend::Password(body) = message {
            let _ = password(body.clone());
            let _ = SaslInitial::decode(body);
        }
    }
});
