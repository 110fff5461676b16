//! The C face of the Rust libraries that Hearth uses. One module per library, one header per module in `include/`.
//! Nothing here unwinds into C: every entry point returns an error text instead of panicking.
#![feature(alloc_error_hook)] // see rustc.sh

mod bpe;
pub mod budget;
pub mod component;
pub mod face;
pub mod grammar;
pub mod template;
pub mod tokenizer;
pub mod wasm;
