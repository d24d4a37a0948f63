//! The Unix socket: where clients of the same machine connect without a network.

use crate::config::UnixConfig;
use crate::failure::Failure;
use cairn_disk::SocketFile;
use cairn_engine::ErrorKind;
use std::io;
use std::path::Path;
use tokio::net::{UnixListener, UnixStream};

/// A socket that is listened on; its file goes with it.
#[derive(Debug)]
pub(crate) struct Unix {
    listener: UnixListener,
    file: SocketFile,
}

impl Unix {
    /// Listens where the configuration says. A stale socket is replaced, a live one is refused as locked.
    pub(crate) fn listen(config: &UnixConfig) -> Result<Unix, Failure> {
        let path = config.path.as_deref().unwrap_or(Path::new(""));
        let named = |kind, why: String| Failure::new(kind, format!("api.unix_socket.path: {why}"));
        let (listener, file) =
            SocketFile::listen(path, config.mode).map_err(|e| named(e.kind(), e.to_string()))?;
        let ready = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let listener =
            ready.map_err(|e| named(ErrorKind::Io, format!("listen at {}: {e}", path.display())))?;
        Ok(Unix { listener, file })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// The next connection; without a socket, none ever.
pub(crate) async fn accept(unix: Option<&Unix>) -> io::Result<UnixStream> {
    match unix {
        Some(unix) => unix.listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}
