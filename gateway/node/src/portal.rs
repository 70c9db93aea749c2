//! The portal: pages for a browser, on the same mutual TLS as the wire. A page calls the same flow as a request of a
//! member's software, with a [`Caller`](crate::flows::Caller) made of the connection's certificate and of a session;
//! nothing is decided here.
//!
//! Everything works without script. Nothing is loaded from elsewhere, nothing is kept by the browser but one cookie.

mod administration;
mod afterwards;
mod asset;
mod dpo;
mod draft;
mod essentials;
mod form;
mod form_read;
mod home;
mod mailbox;
mod matching;
mod oidc;
mod page;
mod pdf;
mod receipt;
mod send;
mod sent;
mod session;
mod sign_in;
mod tasks;
mod tell;
mod told;
mod urgence;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{get, post},
};

use crate::{config, routes::Edge};
use oidc::Provider;

pub use oidc::ProviderFault;
pub(crate) use page::speak;

/// What the pages need beside the wire's edge.
pub struct Portal {
    edge: Arc<Edge>,
    config: config::Portal,
    tls: config::Tls,
    providers: Vec<Provider>,
}

impl Portal {
    /// Reads what providers gave.
    ///
    /// # Errors
    /// [`ProviderFault`] when a secret or an authority cannot be used.
    pub fn open(edge: Arc<Edge>, config: config::Portal, tls: config::Tls) -> Result<Arc<Self>, ProviderFault> {
        let providers = config.providers.iter().map(Provider::open).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { edge, config, tls, providers }))
    }

    /// Whether an address that a browser told is ours.
    fn is_origin(&self, origin: &str) -> bool {
        origin == self.config.origin
    }
}

/// Every page.
pub fn routes<S: Clone + Send + Sync + 'static>(portal: Arc<Portal>) -> Router<S> {
    Router::new()
        .route("/portail", get(home::home))
        .route("/portail/statique/{name}", get(asset::asset))
        .route("/portail/connexion", get(sign_in::choose)) // who are you?
        .route("/portail/connexion/{provider}", get(sign_in::leave)) // told by a provider
        .route("/portail/retour", get(sign_in::come_back))
        .route("/portail/deconnexion", post(sign_in::sign_out))
        .route("/portail/transmettre", get(home::types)) // what may I send?
        .route("/portail/transmettre/{type}", get(draft::begin)) // a form
        .route("/portail/repondre/{exchange}/{type}", get(draft::answer))
        .route("/portail/brouillon/{id}", get(draft::resume).post(draft::write)) // kept sealed
        .route("/portail/brouillon/{id}/garde", post(draft::write_unattended)) // kept by the page itself
        .route("/portail/brouillon/{id}/abandon", post(draft::give_up))
        .route("/portail/brouillon/{id}/verifier", get(send::before)) // to whom, what, why, what is hidden
        .route("/portail/envoi/{id}", post(send::send)) // sent, with its files
        .route("/portail/transmissions", get(sent::list)) // what became of it
        .route("/portail/transmissions/{exchange}", get(sent::one))
        .route("/portail/transmissions/{exchange}/accuse", get(receipt::receipt))
        .route("/portail/transmissions/{exchange}/accuse.pdf", get(receipt::sheet))
        .route("/portail/transmissions/{exchange}/preuve", get(receipt::evidence))
        .route("/portail/verifier-accuse", get(receipt::ask).post(receipt::verify)) // is it ours?
        .route("/portail/transmissions/{exchange}/correction", get(afterwards::correct)) // as it should have been
        .route("/portail/transmissions/{exchange}/retrait", get(afterwards::ask_withdrawal).post(afterwards::withdraw)) // taken back
        .route("/portail/transmissions/{exchange}/appel", post(afterwards::call)) // said on the telephone
        .route("/portail/urgence", get(urgence::ask).post(urgence::open)) // read in an emergency
        .route("/portail/urgence/{exchange}", get(urgence::ask_for))
        .route("/portail/boite", get(mailbox::list)) // what waits for my unit
        .route("/portail/boite/{delivery}", get(mailbox::open).head(nothing_here)) // opening without reading is nothing
        .route("/portail/boite/{delivery}/pieces/{name}", get(mailbox::attachment).head(nothing_here))
        .route("/portail/boite/{delivery}/reponse", post(mailbox::acknowledge))
        .route("/portail/recherche", post(sent::search))
        .route("/portail/rapprochements", get(matching::list)) // who may be whom
        .route("/portail/rapprochements/{proposal}", get(matching::one).post(matching::decide).head(nothing_here)) // looking is logged
        .route("/portail/rapprochements/decision/{linkage}/annulation", post(matching::undo))
        .route("/portail/suivis", get(tasks::list)) // what I still owe
        .route("/portail/suivis/{id}", get(tasks::one).post(tasks::done))
        .route("/portail/suivis/{id}/report", post(tasks::defer))
        .route("/portail/controle", get(dpo::home)) // for who answers for the data
        .route("/portail/controle/lectures", get(dpo::readings).head(nothing_here)) // looking is written down
        .route("/portail/controle/preuve", post(dpo::verify))
        .route("/portail/administration", get(administration::home)) // for who runs the gateway
        .layer(middleware::map_response(page::harden))
        .with_state(portal)
}

async fn nothing_here() -> StatusCode {
    StatusCode::NOT_FOUND
}
