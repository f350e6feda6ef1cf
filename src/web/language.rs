//! Languages: Fluent texts, chosen by `?lang=`, then a cookie, then the browser, then English. A wrong
//! key fails the build.

use std::sync::LazyLock;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use i18n_embed::LanguageLoader as _;
use i18n_embed::fluent::FluentLanguageLoader;
use rust_embed::RustEmbed;
use unic_langid::LanguageIdentifier;

#[derive(RustEmbed)]
#[folder = "src/web/locales"]
struct Texts;

/// A language that pages are complete in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    En,
    Fr,
}

pub const COOKIE: &str = "lang";
/// The same where there is TLS: no other host can set it.
pub const SECURE_COOKIE: &str = "__Host-lang";

impl Language {
    pub const ALL: [(Language, &'static str); 2] = [(Language::En, "English"), (Language::Fr, "Français")];

    pub const fn tag(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text.split(['-', '_']).next()?.trim().to_ascii_lowercase().as_str() {
            "en" => Some(Language::En),
            "fr" => Some(Language::Fr),
            _ => None,
        }
    }

    pub fn texts(self) -> &'static FluentLanguageLoader {
        static EN: LazyLock<FluentLanguageLoader> = LazyLock::new(|| load("en"));
        static FR: LazyLock<FluentLanguageLoader> = LazyLock::new(|| load("fr"));
        match self {
            Language::En => &EN,
            Language::Fr => &FR,
        }
    }

    pub fn of(parts: &Parts) -> Self {
        from_query(parts.uri.query())
            .or_else(|| cookie(&parts.headers, SECURE_COOKIE).or_else(|| cookie(&parts.headers, COOKIE)).and_then(Self::parse))
            .or_else(|| accepted(&parts.headers))
            .unwrap_or(Language::En)
    }
}

#[allow(clippy::expect_used)] // The texts are inside the program; a test renders every page in each.
fn load(tag: &str) -> FluentLanguageLoader {
    let fallback: LanguageIdentifier = "en".parse().expect("a language tag");
    let loader = FluentLanguageLoader::new("temoin", fallback);
    loader.load_languages(&Texts, &[tag.parse().expect("a language tag")]).expect("the embedded texts are readable");
    loader
}

/// The language that the address asks for.
pub fn from_query(query: Option<&str>) -> Option<Language> {
    query?.split('&').find_map(|p| p.strip_prefix("lang=")).and_then(Language::parse)
}

pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

/// The first language of `Accept-Language` that we have; browsers send them best first.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?.split(',').find_map(|l| Language::parse(l.split(';').next()?))
}
