//! See `agent_authd::fuzzing::config_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agent_authd::fuzzing::config_file(data));
