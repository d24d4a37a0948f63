//! The wire client: async, pipelined, and independent of the server's code.
//!
//! [`Client`] sends a request and waits for its reply, or sends many and reads their replies as they come
//! ([`Client::pipeline`]). For the highest rates [`Client::split`] gives a [`Sender`] and a [`Receiver`] that run in two
//! tasks; neither allocates per request. Every reply is one [`Reply`], whichever dialect the server speaks.
//!
//! ```no_run
//! # async fn run() -> cairn_client::Result<()> {
//! use cairn_client::{Client, Op, Sim};
//! let mut client = Client::connect("127.0.0.1:11017").await?;
//! client.vecset("nginx", &[0.1, 0.5, 0.8]).await?;
//! client.event("shop-1", Op::Add, "nginx", 95, None).await?;
//! for hit in client.sim("nginx", 10, &Sim::default()).await? {
//!     let _ = (hit.id, hit.score);
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod collections;
mod commands;
mod decode;
mod effect;
mod endpoint;
mod error;
mod halves;
mod options;
mod refusal;
mod reply;
mod request;
mod session;
mod settings;
mod shape;
mod stream;
mod topics;

pub use client::Client;
pub use commands::{Compression, Create, Prune};
pub use decode::{Decoder, Frame};
pub use effect::Effect;
pub use endpoint::Endpoint;
pub use error::{Error, ErrorKind, Result};
pub use halves::{Receiver, Sender};
pub use options::{Options, Reconnect, Secret};
pub use refusal::Refusal;
pub use reply::{Block, Hit, Kind, Reply};
pub use request::{Op, Request, Sim, Using};
pub use settings::{CacheStats, Debug, Variable};
pub use shape::Shape;
pub use topics::{Appended, Fetched, TopicRecord};
