//! Traces as a collector gets them: real OTLP over a real socket, decoded by the protocol's own messages. What a request did and
//! how long it took arrives; nothing of a child, of who sent and of what was sent does (invariant 6, invariant 7).
#![cfg(feature = "otel")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    routing::post,
};
use gateway::{client::new_key, demo::SECRETS, demo::envelopes};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Held},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use reqwest::Method;
use serde_json::json;
use tests::{
    cli::{path, run},
    people::*,
    process::{Process, connect, free_ports},
    stage::Stage,
};

/// Takes whatever is exported to it.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (collector, address)
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().clone()
    }

    /// Every span, of this service.
    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for body in self.bodies() {
            for of_resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                assert_eq!(word(&of_resource.resource.unwrap().attributes, "service.name").as_deref(), Some("passerelle"));
                spans.extend(of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans));
            }
        }
        spans
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> ([(header::HeaderName, &'static str); 1], Bytes) {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    collector.0.lock().unwrap().push(body);
    ([(header::CONTENT_TYPE, "application/x-protobuf")], Bytes::new())
}

fn word(attributes: &[KeyValue], name: &str) -> Option<String> {
    let held = attributes.iter().find(|one| one.key == name)?.value.as_ref()?.value.as_ref()?;
    if let Held::IntValue(number) = held {
        return Some(number.to_string());
    }
    if let Held::StringValue(text) = held { Some(text.clone()) } else { None }
}

#[tokio::test]
async fn i06_traces_say_how_long_and_never_who() {
    let (collector, address) = Collector::start().await;
    let stage = Stage::new(|_| {});
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100"), ("RUST_LOG", "trace")];
    let process = Process::start_with(&stage.world.config(), &stage.local, &environment).await;
    let acting = |(institution, professional): (&str, &str)| connect(&stage.world, &stage.base, institution, professional);

    // A deposit that brings a trace of its own, not sampled there; one that is refused; what a reader does.
    let theirs = "0af7651916cd43dd8448eb211c80319c";
    let request = acting(SCHOOL).request(Method::POST, "/v1/exchanges").header("idempotency-key", new_key().unwrap());
    let request = request.header("traceparent", format!("00-{theirs}-b7ad6b7169203331-00")).header("tracestate", "Capucine=FICTIVE");
    let answer = request.json(&envelopes::of_the_school()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let school = answer.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    acting(SCHOOL).submit(&json!({"type": "Capucine FICTIVE"}), "Capucine-FICTIVE-2014-02-27").await.unwrap_err();
    acting(HOSPITAL).submit(&envelopes::of_the_hospital(), &new_key().unwrap()).await.unwrap();
    let crip = acting(CRIP);
    let page = crip.get("/v1/mailbox?unit=crip").await.unwrap();
    let delivery = page["deliveries"][0]["delivery"].as_str().unwrap().to_owned();
    let document = crip.get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    assert!(document.to_string().contains("Capucine"), "the search below would find what is there");
    crip.post(&format!("/v1/mailbox/{delivery}/acknowledgement"), &json!({"outcome": "taken-in-charge"})).await.unwrap();
    crip.get("/v1/exchanges/Capucine-FICTIVE").await.unwrap_err();
    process.stop().await;

    // What arrived: the request, named by its route, and its stages below it, in a trace of our own.
    let spans = collector.spans();
    let own = |span: &&Span| word(&span.attributes, "request.id").as_deref() == Some(&request_id);
    let deposit = spans.iter().find(own).unwrap();
    assert_eq!((deposit.name.as_str(), deposit.kind), ("POST /v1/exchanges", SpanKind::Server as i32));
    assert_eq!(word(&deposit.attributes, "http.response.status_code").as_deref(), Some("201"));
    assert!(deposit.end_time_unix_nano > deposit.start_time_unix_nano);
    assert!(deposit.parent_span_id.is_empty(), "a partner's trace is nobody's parent here");
    let stages: BTreeSet<&str> = spans.iter().filter(|span| span.trace_id == deposit.trace_id).map(|span| span.name.as_str()).collect();
    for stage in ["identify", "accept", "decide", "seal", "keep"] {
        assert!(stages.contains(stage), "{stage}: {stages:?}");
    }
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in ["GET /v1/mailbox/{delivery}", "open", "wait_for_checkpoint", "acknowledge", "sign"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    // Nothing but what is listed: no event, no link, no other attribute.
    let keys = BTreeSet::from(["request.id", "http.request.method", "http.route", "http.response.status_code"]);
    for span in &spans {
        assert!(span.attributes.iter().all(|one| keys.contains(one.key.as_str())), "{span:?}");
        assert!(span.events.is_empty() && span.links.is_empty() && span.trace_state.is_empty(), "{span:?}");
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), StatusCode::Unset as i32, "{span:?}");
    }
    // In the bytes themselves: no name, nobody, nothing that was exchanged.
    let partners = ["dsden-31", "chu-toulouse", "departement-31", "P1-"];
    let theirs_raw: Vec<u8> = (0..16).map(|n| u8::from_str_radix(&theirs[2 * n..2 * n + 2], 16).unwrap()).collect();
    for body in collector.bodies() {
        let found = |what: &[u8]| body.windows(what.len()).any(|window| window == what);
        for secret in SECRETS.iter().copied().chain(partners).chain([school.as_str(), delivery.as_str(), SCHOOL.1, CRIP.1, theirs]) {
            for written in [secret.to_owned(), secret.to_uppercase(), secret.to_lowercase()] {
                assert!(!found(written.as_bytes()), "`{written}` leaves in a trace");
            }
        }
        assert!(!found(&theirs_raw), "a partner's trace id leaves");
    }
}

#[tokio::test]
async fn the_configuration_names_the_collector_and_one_that_is_away_holds_nothing_up() {
    let (collector, address) = Collector::start().await;
    let stage = Stage::new(|_| {});
    let file = stage.world.config();
    let plain = fs::read_to_string(&file).unwrap();
    let served = async |address: &str, environment: &[(&str, &str)]| {
        fs::write(&file, format!("traces = \"{address}\"\n{plain}")).unwrap();
        let process = Process::start_with(&file, &stage.local, environment).await;
        connect(&stage.world, &stage.base, SCHOOL.0, SCHOOL.1).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap();
        let stopping = std::time::Instant::now();
        process.stop().await;
        stopping.elapsed()
    };
    served(&address, &[]).await;
    assert!(collector.spans().iter().any(|span| span.name == "POST /v1/exchanges"));
    // A variable stands nearer to the process than the file; the standard ones end it, or sample.
    let before = collector.spans().len();
    let nobody = format!("http://127.0.0.1:{}", free_ports().0);
    assert!(served(&address, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &nobody)]).await.as_secs() < 20);
    served(&address, &[("OTEL_SDK_DISABLED", "true")]).await;
    served(&address, &[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    assert_eq!(collector.spans().len(), before);
    // Not beyond this machine.
    let elsewhere = [("PASSERELLE_CONFIG", path(&file)), ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318")];
    let told = run(&["serve"], &elsewhere, None).await;
    assert_eq!((told.code, told.err.contains("OTEL_EXPORTER_OTLP_ENDPOINT")), (2, true), "{told:?}");
}
