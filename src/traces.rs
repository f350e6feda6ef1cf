//! Traces by OTLP, in a program built with the feature `otlp`: requests and jobs as spans, to where the OpenTelemetry variables of the
//! environment say (`OTEL_EXPORTER_OTLP_ENDPOINT`, over HTTP). Spans carry routes, kinds and codes; never a name, a place or an id.

use tracing::Span;

/// The target of every span: what is written to the log is not for this, and this is not for the log.
macro_rules! target {
    () => {
        "temoin::trace"
    };
}

/// A request; its status is told when it is known.
pub fn request(route: &str, method: &'static str) -> Span {
    tracing::debug_span!(target: target!(), "request", http.route = route, http.request.method = method, http.response.status_code = tracing::field::Empty)
}

pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
}

/// A background job.
pub fn job(kind: &'static str) -> Span {
    tracing::debug_span!(target: target!(), "job", kind)
}

#[cfg(not(feature = "otlp"))]
pub fn layer() -> Option<tracing_subscriber::layer::Identity> {
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        use std::io::Write as _;
        let _ = writeln!(
            std::io::stderr(),
            "temoin: OTEL_EXPORTER_OTLP_ENDPOINT is set, and this program was built without the feature otlp: no traces"
        );
    }
    None
}

#[cfg(not(feature = "otlp"))]
pub const fn end() {}

#[cfg(feature = "otlp")]
pub use otlp::{end, layer};

#[cfg(feature = "otlp")]
mod otlp {
    use std::sync::OnceLock;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::{Layer, Registry};

    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

    /// What sends the spans, where the environment says where to.
    pub fn layer() -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| std::env::var_os("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))?;
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(e) => {
                use std::io::Write as _;
                let _ = writeln!(std::io::stderr(), "temoin: traces cannot be sent: {e}");
                return None;
            }
        };
        let about = Resource::builder().with_service_name("temoin").build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(about).build();
        let tracer = provider.tracer("temoin");
        let _ = PROVIDER.set(provider);
        let ours = Targets::new().with_target(target!(), LevelFilter::DEBUG);
        Some(tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_filter(ours).boxed())
    }

    /// Sends what is left.
    pub fn end() {
        if let Some(provider) = PROVIDER.get() {
            let _ = provider.shutdown();
        }
    }
}
