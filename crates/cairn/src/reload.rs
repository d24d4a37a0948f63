//! Reloading: at SIGHUP the log file is opened anew, and what may change of the configuration is taken over.

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::logging::Log;
use crate::serve::configuration;
use cairn_disk::Storage;
use cairn_server::{Live, Reloaded};
use std::sync::Arc;
use tokio::signal::unix::Signal;

/// What a reload works with.
pub struct Reload {
    /// As the server was started.
    pub args: ServeArgs,
    /// Where the configuration and its password files are.
    pub storage: Arc<dyn Storage>,
    /// The log.
    pub log: Log,
}

impl Reload {
    /// Reloads at each signal; never ends.
    pub async fn at_each(self, mut hangup: Signal, live: Arc<Live>) {
        while hangup.recv().await.is_some() {
            self.log.reopen();
            tracing::info!("SIGHUP: reading the configuration again");
            match self.once(&live) {
                Ok(Reloaded { changed, restart }) => {
                    tracing::info!(changed = changed.join(", "), "the configuration was read again");
                    if !restart.is_empty() {
                        tracing::warn!("changed, but only a restart takes it over: {}", restart.join(", "));
                    }
                }
                // Half of a configuration is worse than the old one.
                Err(failure) => {
                    tracing::error!(
                        "the configuration stays as it was: {}",
                        failure.message.replace('\n', "; ")
                    );
                }
            }
        }
    }

    fn once(&self, live: &Live) -> Result<Reloaded, Failure> {
        let (mut config, notices) = configuration(&self.args, self.storage.as_ref())?;
        config.security.read_files(self.storage.as_ref())?;
        notices.iter().for_each(|notice| tracing::warn!("{notice}"));
        Ok(live.reload(&config)?)
    }
}
