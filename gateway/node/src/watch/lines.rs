//! Log lines: JSON on standard error, one event each; a service manager or a container engine keeps them.
//!
//! A line reads alone: what happened, its fields with dotted names, and in `spans` the request it belongs to. What no line
//! may hold is not for this room to take away: types that hold a name print nothing.

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Begins to write; `also` gets the same spans. `RUST_LOG` chooses how many lines there are.
pub fn to_stderr(also: Option<Box<dyn Layer<Registry> + Send + Sync>>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = fmt::layer().json().with_current_span(false).with_writer(std::io::stderr).with_filter(filter);
    let _ = tracing_subscriber::registry().with(also).with(lines).try_init();
}

/// What happens to exchanges, and what is wrong; not each statement of the database.
const USUAL: &str = "info,sqlx=warn";
