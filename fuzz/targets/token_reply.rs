//! See `agent_authd::fuzzing::token_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_authd::fuzzing::token_reply(data));
