//! Log lines: to standard error, from a thread of their own, so that a shard never waits for whoever reads them.

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{LogFormat, LogLevel};

/// Lines waiting for a slow reader; more are dropped and counted.
const LINES_MAX: usize = 16_384;

/// The log of the process. Dropping it writes what is still waiting.
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
    level: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts logging; to be called once.
    #[must_use]
    pub fn start(level: LogLevel, format: LogFormat) -> Self {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_MAX)
            .lossy(true)
            .thread_name("peerage-log")
            .finish(std::io::stderr());
        let dropped = writer.error_counter();
        let (filter, handle) = reload::Layer::new(filter(level));
        let lines = fmt::layer().with_writer(writer).with_ansi(false);
        let registry = tracing_subscriber::registry().with(filter);
        // Somebody else's subscriber (a test's) stays.
        let _ = match format {
            LogFormat::Text => registry.with(lines).try_init(),
            LogFormat::Json => {
                registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init()
            }
        };
        Log { _writer: guard, dropped, level: handle }
    }

    /// Changes the level while the process runs.
    pub fn set_level(&self, level: LogLevel) {
        let _ = self.level.reload(filter(level));
    }

    /// Counts lines that were dropped because nobody read them fast enough.
    #[must_use]
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Our own crates at `level`; what others say only when it matters.
fn filter(level: LogLevel) -> EnvFilter {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let mut filter = EnvFilter::new(if own == LevelFilter::ERROR { "error" } else { "warn" });
    for name in ["peerage", "s2s_net", "s2s_route", "s2s_proto", "s2s_trust"] {
        if let Ok(directive) = format!("{name}={own}").parse() {
            filter = filter.add_directive(directive);
        }
    }
    filter
}
