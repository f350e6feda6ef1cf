//! Single sign-on by the agency's identity provider (OpenID Connect Core, authorization code with PKCE, state and nonce).
//!
//! Accounts are made here, by an administrator, who says under which name the provider knows each; nobody gets in because a provider says so.
//! On the first visit that name is tied to the provider's subject (issuer and `sub`), and from then on only the subject counts: a name that is
//! given to somebody else opens nothing. A provider that shows `acr` as it was asked to has shown a second factor.

use std::sync::Arc;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreProviderMetadata};
use openidconnect::{
    AuthenticationContextClass, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use crate::app::App;
use crate::config::Oidc;
use crate::db;
use crate::domain::actor::Proof;
use crate::domain::value::{Id, MINUTE_US, SECOND_US, Sha256, Utc};
use crate::error::{Error, Result};
use crate::outside::Outside;

const CEREMONY: &str = "sso";
const CEREMONY_US: i64 = 10 * MINUTE_US;
/// How long what a provider says of itself is believed, and how soon it is asked anew when a signature does not fit (its keys change).
const FRESH_US: i64 = 60 * MINUTE_US;
const ASK_AGAIN_US: i64 = 30 * SECOND_US;
/// By how much the provider's clock may be behind ours.
const CLOCKS_APART_US: i64 = MINUTE_US;

/// The provider, as far as it was asked.
pub struct Provider {
    config: Oidc,
    redirect: String,
    secret: String,
    known: Mutex<Option<(CoreProviderMetadata, Utc)>>,
}

/// What one end of a sign-in remembers.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    to: String,
    /// Since when the provider must have seen them: who proves once more who they are.
    since: Option<Utc>,
}

/// Where the browser goes, and the secret that it brings back in a cookie.
pub struct Away {
    pub url: String,
    pub cookie: String,
}

/// Who came back.
pub struct SsoLogin {
    pub account: Id,
    pub proof: Proof,
    /// Where they wanted to go.
    pub to: String,
}

/// The words of a failure go to the log alone: a stranger could have written them.
fn refused(what: &'static str, why: impl std::fmt::Display) -> Error {
    tracing::warn!(what, %why, "a sign-in by the identity provider failed");
    Error::Unauthorized
}

#[derive(Debug)]
struct NoAnswer(String);

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

/// One request, by the same client as every other one that leaves the house: no redirects, bounded answers.
async fn ask(request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    Outside::new().map_err(NoAnswer)?.send(request).await.map_err(NoAnswer)
}

impl Provider {
    /// `None`: none is configured.
    pub fn new(config: &Oidc, public_url: &str) -> Result<Option<Arc<Self>>> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        let secret = match config.client_secret_file.as_os_str().is_empty() {
            true => String::new(),
            false => std::fs::read_to_string(&config.client_secret_file)
                .map_err(|e| Error::Internal(format!("oidc.client_secret_file {}: {e}", config.client_secret_file.display())))?
                .trim()
                .to_owned(),
        };
        let redirect = format!("{public_url}/login/sso/back");
        Ok(Some(Arc::new(Self { config: config.clone(), redirect, secret, known: Mutex::new(None) })))
    }

    /// What the button says.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    async fn metadata(&self, now: Utc, at_most_us: i64) -> Result<CoreProviderMetadata> {
        let mut known = self.known.lock().await;
        if let Some((metadata, _)) = known.as_ref().filter(|(_, at)| now.micros() - at.micros() < at_most_us) {
            return Ok(metadata.clone());
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|e| Error::Internal(format!("oidc.issuer: {e}")))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &ask).await.map_err(|e| {
            tracing::error!(cause = %e, "the identity provider does not answer");
            Error::TryLater
        })?;
        *known = Some((metadata.clone(), now));
        Ok(metadata)
    }

    /// Sends somebody to the provider.
    pub async fn begin(&self, app: &App, to: &str, anew: bool) -> Result<Away> {
        let metadata = self.metadata(app.now(), FRESH_US).await?;
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), self.client_secret())
            .set_redirect_uri(RedirectUrl::new(self.redirect.clone()).map_err(Error::internal)?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut asked = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(challenge)
            .add_scope(Scope::new("profile".into()))
            .add_scope(Scope::new("email".into()));
        if !self.config.acr.is_empty() {
            asked = asked.add_auth_context_value(AuthenticationContextClass::new(self.config.acr.clone()));
        }
        if anew {
            // Who proves once more who they are does so, and not their browser's memory.
            asked = asked.set_max_age(std::time::Duration::ZERO).add_prompt(openidconnect::core::CoreAuthPrompt::Login);
        }
        let (url, state, nonce) = asked.url();
        let begun = Begun {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            to: to.to_owned(),
            since: anew.then(|| app.now()),
        };
        let (cookie, token) = app.new_secret();
        let body = serde_json::to_string(&begun).map_err(Error::internal)?;
        let mut tx = app.db.begin().await?;
        db::factors::begin(&mut tx, token, CEREMONY, None, &body, app.now().plus(CEREMONY_US)).await?;
        tx.commit().await?;
        Ok(Away { url: url.into(), cookie })
    }

    fn client_secret(&self) -> Option<ClientSecret> {
        (!self.secret.is_empty()).then(|| ClientSecret::new(self.secret.clone()))
    }

    /// The provider's word about who came back, if it can be believed: its signature, issuer, audience, nonce and age.
    async fn claims(&self, now: Utc, code: &str, begun: &Begun) -> Result<CoreIdTokenClaims> {
        let metadata = self.metadata(now, FRESH_US).await?;
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), self.client_secret())
            .set_redirect_uri(RedirectUrl::new(self.redirect.clone()).map_err(Error::internal)?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|e| refused("the provider has no token endpoint", e))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&ask)
            .await
            .map_err(|e| refused("the code was not taken", e))?;
        let token = answer.id_token().ok_or_else(|| refused("no id_token", ""))?;
        let nonce = Nonce::new(begun.nonce.clone());
        match token.claims(&client.id_token_verifier(), &nonce) {
            Ok(claims) => Ok(claims.clone()),
            // Its keys may have changed since it was asked.
            Err(_) => self.with_new_keys(now, token, &nonce).await,
        }
    }

    async fn with_new_keys(&self, now: Utc, token: &CoreIdToken, nonce: &Nonce) -> Result<CoreIdTokenClaims> {
        let metadata = self.metadata(now, ASK_AGAIN_US).await?;
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), self.client_secret());
        let claims = token.claims(&client.id_token_verifier(), nonce).map_err(|e| refused("the id_token does not hold", e))?;
        Ok(claims.clone())
    }
}

/// Takes somebody back who was sent away, with what the provider gave them.
pub async fn sso_login(app: &App, provider: &Provider, cookie: &str, state: &str, code: &str, only: Option<Id>) -> Result<SsoLogin> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let begun = db::factors::take(&mut tx, Sha256::of(cookie.as_bytes()), CEREMONY, now).await?;
    tx.commit().await?;
    let begun = begun.ok_or_else(|| refused("nothing was begun in this browser, or it took too long", ""))?;
    let begun: Begun = serde_json::from_str(&begun.body).map_err(Error::internal)?;
    if !bool::from(begun.state.as_bytes().ct_eq(state.as_bytes())) {
        return Err(refused("the state is another one", ""));
    }
    // Who is signed in was sent away to prove who they are, and not to be remembered.
    if only.is_some() != begun.since.is_some() {
        return Err(refused("it was begun as something else", ""));
    }
    let claims = provider.claims(now, code, &begun).await?;
    if let Some(since) = begun.since {
        let seen =
            claims.auth_time().map(|at| at.timestamp_micros()).ok_or_else(|| refused("the provider does not say when it saw them", ""))?;
        if seen < since.micros() - CLOCKS_APART_US {
            return Err(refused("the provider saw them before they were asked", ""));
        }
    }
    let subject = format!("{} {}", claims.issuer().as_str(), claims.subject().as_str());
    let name = match provider.config.claim.as_str() {
        "email" => claims.email().filter(|_| claims.email_verified() == Some(true)).map(|e| e.as_str().to_owned()),
        "sub" => Some(claims.subject().as_str().to_owned()),
        _ => claims.preferred_username().map(|n| n.as_str().to_owned()),
    };
    let mut tx = app.db.begin().await?;
    let account = db::factors::account_of_subject(&mut tx, &subject, name.as_deref().unwrap_or_default()).await?;
    tx.commit().await?;
    let account = account.ok_or_else(|| refused("nobody here is known under this name", ""))?;
    if only.is_some_and(|only| only != account) {
        return Err(refused("somebody else came back", ""));
    }
    let acr = claims.auth_context_ref().map(|acr| acr.as_str().to_owned());
    let strong = !provider.config.acr.is_empty() && acr.as_deref() == Some(provider.config.acr.as_str());
    Ok(SsoLogin { account, proof: Proof::Sso { strong }, to: begun.to })
}
