//! The endpoint: where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a server listens. Text that begins with `unix:` is the path of a Unix socket, other text is `HOST:PORT`;
/// names are resolved at each connecting, so that a reconnect follows a server that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `HOST:PORT`.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(addr) => f.write_str(addr),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<&str> for Endpoint {
    fn from(text: &str) -> Self {
        match text.strip_prefix("unix:") {
            Some(path) => Endpoint::Unix(PathBuf::from(path)),
            None => Endpoint::Tcp(text.to_owned()),
        }
    }
}

impl From<&String> for Endpoint {
    fn from(text: &String) -> Self {
        Endpoint::from(text.as_str())
    }
}

impl From<String> for Endpoint {
    fn from(text: String) -> Self {
        Endpoint::from(text.as_str())
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Endpoint::Tcp(addr.to_string())
    }
}

impl From<(&str, u16)> for Endpoint {
    /// A host and a port; an IPv6 address needs no brackets.
    fn from((host, port): (&str, u16)) -> Self {
        let bare = host.contains(':') && !host.starts_with('[');
        Endpoint::Tcp(if bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }
}

impl From<&Path> for Endpoint {
    fn from(path: &Path) -> Self {
        Endpoint::Unix(path.to_owned())
    }
}

impl From<PathBuf> for Endpoint {
    fn from(path: PathBuf) -> Self {
        Endpoint::Unix(path)
    }
}
