//! What the operator reads, caught as gatepost writes it.

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// A journal in memory.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<u8>>>);

impl Journal {
    /// Catches what this thread's tasks write until the guard is dropped.
    ///
    /// While there is but one subscriber, tracing asks that of the thread at hand whether a place in the code will ever
    /// be listened to, and remembers the answer for all threads. So that no other test's thread says "never", all have
    /// one that listens.
    pub(crate) fn here() -> (Self, DefaultGuard) {
        static FALLBACK: Once = Once::new();
        FALLBACK.call_once(|| {
            // Fails only where there is one already, which does as well.
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        });
        let journal = Self::default();
        let guard = tracing::subscriber::set_default(journal.subscriber());
        (journal, guard)
    }

    /// Everything that any of gatepost's own settings lets through.
    pub(crate) fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(self.clone());
        let targets = Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("gatepost", LevelFilter::TRACE);
        tracing_subscriber::registry().with(lines).with(targets)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that are written without asking for more than the default.
    pub(crate) fn lines(&self) -> Vec<String> {
        let usual =
            |line: &&str| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level));
        self.text().lines().filter(usual).map(str::to_owned).collect()
    }

    /// Panics unless a line tells the operator `words`.
    pub(crate) fn tells(&self, words: &str) {
        let lines = self.lines();
        assert!(lines.iter().any(|line| line.contains(words)), "{words:?} isn't in {lines:#?}");
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
