//! What the service manager hears of the service (sd_notify(3)). Without one that listens, nobody does.

/// What there is to tell.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// Clients can connect.
    Ready,
    /// The configuration is being read again.
    Reloading,
    /// It takes no more connections.
    Stopping,
}

/// Tells the service manager.
#[cfg(target_os = "linux")]
pub(super) fn notify(state: State) {
    use sd_notify::NotifyState;
    let sent = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        // systemd takes the one only with the other.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "can't tell the service manager");
    }
}

/// Tells nobody.
#[cfg(not(target_os = "linux"))]
pub(super) fn notify(_: State) {}
