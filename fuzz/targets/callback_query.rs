//! See `agent_authd::fuzzing::callback_query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_authd::fuzzing::callback_query(data));
