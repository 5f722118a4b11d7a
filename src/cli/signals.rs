//! Signals to the service. One that comes before somebody waits for it is kept.

use std::io;

pub(super) use heeded::{Reload, Stop};

/// What the service is told by signals, from the moment this exists. Until then a SIGHUP ends the process.
pub(super) struct Signals {
    /// What ends it.
    pub(super) stop: Stop,
    /// What has it read its configuration again.
    pub(super) reload: Reload,
}

impl Signals {
    /// Heeds them, within a runtime.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn heed() -> io::Result<Self> {
        Ok(Self { stop: Stop::heed()?, reload: Reload::heed()? })
    }
}

#[cfg(unix)]
mod heeded {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that end a service.
    pub(crate) struct Stop {
        terminate: Signal,
        interrupt: Signal,
    }

    /// SIGHUP.
    pub(crate) struct Reload(Signal);

    impl Stop {
        /// Heeds them, within a runtime.
        pub(crate) fn heed() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }

        /// Waits for one; its name.
        pub(crate) async fn told(&mut self) -> &'static str {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        }
    }

    impl Reload {
        pub(super) fn heed() -> io::Result<Self> {
            Ok(Self(signal(SignalKind::hangup())?))
        }

        /// Waits for one.
        pub(crate) async fn told(&mut self) {
            self.0.recv().await;
        }
    }
}

#[cfg(windows)]
mod heeded {
    use std::io;

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlShutdown, ctrl_break, ctrl_c, ctrl_shutdown,
    };

    /// The signals that end a service.
    pub(crate) struct Stop {
        interrupt: CtrlC,
        terminate: CtrlBreak,
        shutdown: CtrlShutdown,
    }

    /// Windows has no SIGHUP.
    pub(crate) struct Reload;

    impl Stop {
        /// Heeds them, within a runtime.
        pub(crate) fn heed() -> io::Result<Self> {
            Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()?, shutdown: ctrl_shutdown()? })
        }

        /// Waits for one; its name.
        pub(crate) async fn told(&mut self) -> &'static str {
            tokio::select! {
                _ = self.interrupt.recv() => "Ctrl-C",
                _ = self.terminate.recv() => "Ctrl-Break",
                _ = self.shutdown.recv() => "shutdown",
            }
        }
    }

    impl Reload {
        pub(super) fn heed() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for ever.
        pub(crate) async fn told(&mut self) {
            std::future::pending().await
        }
    }
}
