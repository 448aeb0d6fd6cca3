#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtail_testkit::target::segment_repaired(data));
