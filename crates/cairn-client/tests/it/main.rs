//! Tests of `cairn-client`.

mod client;
mod decode;
mod fake;
mod pipeline;
mod request;
mod shape;
