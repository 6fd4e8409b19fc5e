//! See `agent_authd::fuzzing::request_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_authd::fuzzing::request_body(data));
