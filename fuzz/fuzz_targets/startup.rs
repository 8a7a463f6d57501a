//! Whatever a stranger opens a connection with: no panic, and what is
//! understood is written again byte for byte.
#![no_main]

use almoner_wire::postgres::{FirstBytes, Startup, channel_binding::tls_server_end_point};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = tls_server_end_point(data);
    let first = FirstBytes::of(data);
    let mut buf = BytesMut::from(data);
    if let Ok(Some(startup)) = Startup::decode(&mut buf) {
        assert_eq!(first, Ok(FirstBytes::Packet));
        let mut out = BytesMut::new();
        startup
            .encode(&mut out)
            .expect("what was read can be written");
        assert_eq!(out, data[..data.len() - buf.len()]);
    }
});
