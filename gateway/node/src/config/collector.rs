//! Where traces go: a collector on this machine. What leaves the machine, and over what, is then the collector's to say.

use std::{net::IpAddr, str::FromStr};

use axum::http::Uri;
use serde::Deserialize;

/// A collector that takes OTLP over HTTP: `http://127.0.0.1:4318`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Collector(Uri);

/// Why an address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCollector {
    /// No address at all.
    #[error("a collector is `http://127.0.0.1:4318`")]
    NoAddress,
    /// Would leave the machine.
    #[error("traces go to a collector on this machine alone (http://127.0.0.1:4318): it forwards them over TLS")]
    Elsewhere,
}

impl Collector {
    /// The address as it was written.
    pub fn address(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for Collector {
    type Err = InvalidCollector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| InvalidCollector::NoAddress)?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(InvalidCollector::NoAddress) };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let here = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if scheme == "http" && here { Ok(Self(uri)) } else { Err(InvalidCollector::Elsewhere) }
    }
}

impl TryFrom<String> for Collector {
    type Error = InvalidCollector;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_stands_on_this_machine() {
        for good in ["http://127.0.0.1:4318", "http://localhost:4318/", "http://[::1]:4318", "http://127.0.0.1:4318/otlp/v1/traces"] {
            assert!(good.parse::<Collector>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", InvalidCollector::NoAddress),
            ("127.0.0.1:4318", InvalidCollector::NoAddress),
            ("/v1/traces", InvalidCollector::NoAddress),
            ("http://collector.example:4318", InvalidCollector::Elsewhere),
            ("http://localhost.example:4318", InvalidCollector::Elsewhere),
            ("http://10.0.0.4:4318", InvalidCollector::Elsewhere),
            ("http://127.0.0.1@collector.example:4318", InvalidCollector::Elsewhere),
            ("https://collector.example:4318", InvalidCollector::Elsewhere),
        ] {
            assert_eq!(bad.parse::<Collector>(), Err(why), "{bad}");
        }
    }
}
