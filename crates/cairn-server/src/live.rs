//! The live configuration: what the server goes by now, and who is told when it changes.

use crate::auth::Auth;
use crate::config::{Config, Key, key_named, keys, set_text, shown};
use crate::failure::Failure;
use crate::limiter::Limiter;
use crate::variables::{Changing, changing};
use cairn_engine::ErrorKind;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

type Hook = Box<dyn Fn(&Config) + Send + Sync>;

/// The configuration of a running server, who may do what, and how much. Whoever needs a value asks for it each time, or
/// is told of changes.
pub struct Live {
    config: RwLock<Arc<Config>>,
    auth: RwLock<Arc<Auth>>,
    limiter: Limiter,
    /// Held while something is changed, and by it those who are told.
    hooks: Mutex<Vec<Hook>>,
    log_hook: Mutex<Option<Hook>>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("config", &self.config()).finish_non_exhaustive()
    }
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Keys that have a new value now.
    pub changed: Vec<&'static str>,
    /// Keys whose new value needs a restart.
    pub restart: Vec<&'static str>,
}

impl Live {
    /// Of a configuration whose password files were read.
    pub fn new(config: Config) -> Result<Live, Failure> {
        Ok(Live {
            auth: RwLock::new(Arc::new(Auth::new(&config.security)?)),
            limiter: Limiter::new(&config.rate),
            config: RwLock::new(Arc::new(config)),
            hooks: Mutex::default(),
            log_hook: Mutex::default(),
        })
    }

    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// The passwords as they are now: another one after a reload that changed them.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.auth.read())
    }

    /// What limits each client's requests.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Calls `hook` with the new configuration after each change.
    pub fn on_change(&self, hook: impl Fn(&Config) + Send + Sync + 'static) {
        self.hooks.lock().push(Box::new(hook));
    }

    /// As [`Live::on_change`], of whoever owns the log: `logging.level` can be changed from now on.
    pub fn on_log_change(&self, hook: impl Fn(&Config) + Send + Sync + 'static) {
        *self.log_hook.lock() = Some(Box::new(hook));
    }

    /// Whether SET changes a key.
    pub fn is_mutable(&self, key: &Key) -> bool {
        match changing(key.name) {
            Changing::Set => true,
            Changing::SetLog => self.log_hook.lock().is_some(),
            Changing::Reload | Changing::Restart => false,
        }
    }

    /// Changes a key, as `SET` does: it has effect when this returns, until the next reload or restart.
    pub fn set(&self, name: &str, text: &str) -> Result<(), Failure> {
        let key = key_named(name).ok_or_else(|| unknown(name))?;
        if !self.is_mutable(key) {
            let how = match changing(key.name) {
                Changing::Reload => "change the file and send SIGHUP",
                _ => "change the file and restart",
            };
            return Err(Failure::input(format!("Variable is immutable: {name} ({how})")));
        }
        let hooks = self.hooks.lock();
        let mut next = Config::clone(&self.config());
        set_text(&mut next, key, text).map_err(Failure::input)?;
        self.put(next, &hooks)
    }

    /// Takes over of `new` what can be changed while the server runs. Its password files must have been read.
    pub fn reload(&self, new: &Config) -> Result<Reloaded, Failure> {
        let hooks = self.hooks.lock();
        let old = self.config();
        let (mut next, mut reloaded) = (Config::clone(&old), Reloaded::default());
        let by_text = |key: &&Key| key.inert().is_none() && changing(key.name) != Changing::Reload;
        for key in keys().filter(by_text) {
            let (before, after) = (shown(&old, key), shown(new, key));
            if before == after {
                continue;
            }
            if matches!(changing(key.name), Changing::Restart) {
                reloaded.restart.push(key.name);
            } else {
                let bug = |e| Failure::new(ErrorKind::Bug, format!("{e}; please report it"));
                set_text(&mut next, key, &after).map_err(bug)?;
                reloaded.changed.push(key.name);
            }
        }
        if next.security != new.security {
            next.security = new.security.clone();
            let security = new.written.iter().filter(|(name, _)| name.starts_with("security."));
            next.written.retain(|name, _| !name.starts_with("security."));
            next.written.extend(security.map(|(name, text)| (*name, text.clone())));
            reloaded.changed.push("security");
        }
        if next.snapshot.schedules != new.snapshot.schedules {
            next.snapshot.schedules = new.snapshot.schedules.clone();
            reloaded.changed.push("snapshot.schedule");
        }
        self.put(next, &hooks)?;
        Ok(reloaded)
    }

    fn put(&self, next: Config, hooks: &[Hook]) -> Result<(), Failure> {
        let old = self.config();
        if next.security != old.security {
            // Connections that showed the old passwords must show the new ones.
            *self.auth.write() = Arc::new(Auth::new(&next.security)?);
        }
        self.limiter.configure(&next.rate);
        let next = Arc::new(next);
        *self.config.write() = Arc::clone(&next);
        hooks.iter().for_each(|hook| hook(&next));
        if let Some(hook) = &*self.log_hook.lock() {
            hook(&next);
        }
        Ok(())
    }
}

/// nvecd's words for a name that is no key's.
pub(crate) fn unknown(name: &str) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("Unknown variable: {}", crate::failure::shown(name)))
}
