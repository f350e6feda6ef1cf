//! Where browsers say that a page tried what its policy forbids (CSP level 3, Reporting API). Counted by directive and kept nowhere: a report names
//! the page, whose address may be a witness's.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::Value;

use crate::observe;

/// What reports may name; anything else is "other", so that strangers make no new series.
const DIRECTIVES: [&str; 18] = [
    "default-src",
    "script-src",
    "script-src-elem",
    "script-src-attr",
    "style-src",
    "style-src-elem",
    "style-src-attr",
    "img-src",
    "media-src",
    "connect-src",
    "form-action",
    "frame-ancestors",
    "require-trusted-types-for",
    "trusted-types",
    "base-uri",
    "object-src",
    "frame-src",
    "worker-src",
];

pub async fn take(body: Bytes) -> StatusCode {
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    // (One report by itself, as `report-uri` sends it, or a list of them, as the Reporting API does.)
    let reports = said.as_array().map_or_else(|| std::slice::from_ref(&said), Vec::as_slice);
    for report in reports.iter().take(100) {
        let named = report["csp-report"]["effective-directive"]
            .as_str()
            .or_else(|| report["csp-report"]["violated-directive"].as_str())
            .or_else(|| report["body"]["effectiveDirective"].as_str());
        if let Some(named) = named {
            let named = named.split(' ').next().unwrap_or_default();
            observe::policy_violated(DIRECTIVES.into_iter().find(|d| *d == named).unwrap_or("other"));
        }
    }
    StatusCode::NO_CONTENT
}
