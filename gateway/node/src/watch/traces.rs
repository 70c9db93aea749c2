//! Traces (feature `otel`): how long each stage of a request took, over OTLP to a collector on this machine.
//!
//! What leaves is a list of names ([`LEAVES`]): the request's id, method, route and status, and when each stage began and
//! ended. Nothing else does, whatever a span or an event holds: no institution, no exchange, no person. A full queue or a
//! collector that is away loses traces and holds nothing up.

use std::{env, future::Future, pin::Pin, time::Duration};

use axum::http::{Request, Response, Uri, header};
use bytes::Bytes;
use opentelemetry::{
    Value,
    trace::{SpanKind, Status, TracerProvider},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::runtime::Handle;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
};

use super::ask;
use crate::config::{Collector, InvalidCollector};

/// What sends traces until it is stopped.
pub struct Traces(SdkTracerProvider);

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesFault {
    /// A variable names no collector on this machine.
    #[error("`{0}`: {1}")]
    Variable(&'static str, InvalidCollector),
    /// The exporter refuses its settings.
    #[error("traces cannot be sent")]
    Exporter(#[source] ExporterBuildError),
}

impl Traces {
    /// To the collector that the standard variables name, or else the configuration; nothing when neither does.
    ///
    /// # Errors
    /// [`TracesFault`] when a variable names a collector elsewhere, or holds a setting that the exporter does not know.
    pub fn to_collector(configured: Option<&Collector>) -> Result<Option<Self>, TracesFault> {
        let is = |name, value| env::var(name).is_ok_and(|set| set.eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let Some(endpoint) = endpoint(configured)? else { return Ok(None) };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Here(Handle::current()))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build()
            .map_err(TracesFault::Exporter)?;
        let mut resource = Resource::builder().with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("passerelle");
        }
        Ok(Some(Self(SdkTracerProvider::builder().with_batch_exporter(Only(exporter)).with_resource(resource.build()).build())))
    }

    /// What hears of spans: those of this program, and no event.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let own = filter_fn(|what| what.is_span() && what.target().starts_with("gateway")).with_max_level_hint(LevelFilter::DEBUG);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("passerelle"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        layer.with_filter(own).boxed()
    }

    /// Sends what is left, for five seconds at most.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_WORDS)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("the last traces did not reach the collector");
        }
    }
}

/// Where traces go. A variable stands nearer to the process than a file.
fn endpoint(configured: Option<&Collector>) -> Result<Option<String>, TracesFault> {
    let read = |name: &'static str| match env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|e| TracesFault::Variable(name, e)),
        _ => Ok(None),
    };
    let whole: Option<Collector> = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")?;
    let base: Option<Collector> = read("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let below = |base: &Collector| format!("{}/v1/traces", base.address().to_string().trim_end_matches('/'));
    Ok(whole.map(|whole| whole.address().to_string()).or_else(|| base.as_ref().or(configured).map(below)))
}

/// Lets out what [`LEAVES`] names, and nothing else.
#[derive(Debug)]
struct Only<E>(E);

impl<E: SpanExporter> SpanExporter for Only<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.0.export(batch.into_iter().map(only).collect())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn only(mut span: SpanData) -> SpanData {
    span.attributes.retain(|one| LEAVES.contains(&one.key.as_str()));
    span.events = Default::default();
    span.links = Default::default();
    span.status = Status::Unset;
    let of = |name: &str| span.attributes.iter().find(|one| one.key.as_str() == name).map(|one| &one.value);
    if let (Some(method), Some(route)) = (of("http.request.method"), of("http.route")) {
        span.name = format!("{} {}", method.as_str(), route.as_str()).into();
        span.span_kind = SpanKind::Server;
        if matches!(of("http.response.status_code"), Some(Value::I64(500..))) {
            span.status = Status::error("");
        }
    }
    span
}

/// Plain HTTP to this machine. The exporter waits in a thread of its own, which has no reactor: the runtime does the asking.
#[derive(Debug)]
struct Here(Handle);

impl HttpClient for Here {
    fn send_bytes<'s, 'a>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        let asked = self.0.spawn(sent(request));
        Box::pin(async move { asked.await? })
    }
}

async fn sent(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.host().unwrap_or_default();
    let address = format!("{host}:{}", head.uri.port_u16().unwrap_or(80));
    head.headers.insert(header::HOST, address.parse()?);
    head.uri = Uri::builder().path_and_query(head.uri.path_and_query().map_or("/", |path| path.as_str())).build()?;
    Ok(ask::send(&address, Request::from_parts(head, body.into()), PATIENCE).await?)
}

/// Attributes that leave the process.
const LEAVES: [&str; 4] = ["request.id", "http.request.method", "http.route", "http.response.status_code"];
/// How long the collector may take for one batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take for the last one.
const LAST_WORDS: Duration = Duration::from_secs(5);
