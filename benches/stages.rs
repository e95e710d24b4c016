//! Each stage of a look, timed. To be written.

fn main() {}
