//! The connections that are open: how many, and of whom.

use crate::config::Config;
use crate::failure::Failure;
use crate::limiter::UNIX_PEER;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts connections; it remembers no address longer than one of its connections is open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A connection that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
}

impl Connections {
    /// A place for a connection of an address, when there is one by the limits of now.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr, config: &Config) -> Result<Place, Failure> {
        let mut open = self.open.lock();
        let max = config.connections_max;
        if open.all >= max {
            return Err(Failure::busy(format!("Too many connections: the maximum is {max}")));
        }
        let per_ip = config.connections_per_ip_max;
        let of = open.of.get(&peer).copied().unwrap_or_default();
        if per_ip > 0 && of >= per_ip && peer != UNIX_PEER {
            return Err(Failure::busy(format!(
                "Too many connections from {peer}: the maximum is {per_ip} (performance.max_connections_per_ip)"
            )));
        }
        open.all += 1;
        open.of.insert(peer, of + 1);
        Ok(Place { connections: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all -= 1;
        let left = open.of.get(&self.peer).map_or(0, |of| of - 1);
        if left == 0 {
            open.of.remove(&self.peer);
        } else {
            open.of.insert(self.peer, left);
        }
    }
}
