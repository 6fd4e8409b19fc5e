//! See `agent_authd::fuzzing::row_envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_authd::fuzzing::row_envelope(data));
