//! The portal of the demonstration: an identity provider that asks for no password, and how a browser gets in.

use certs_dev::{Audience, IdentityProvider};
use exchange::Instant;
use tokio::net::TcpListener;

use super::{
    DemoFault, World,
    world::{CLIENT, SECRET},
};
use crate::clock::{Clock, SystemClock};

/// Who may be chosen, with what each does.
const PEOPLE: [(&str, &str); 6] = [
    ("p-5k2gh", "assistante sociale scolaire, certificat dsden-31"),
    ("p-2v5ks", "enseignant, certificat college-0319901u"),
    ("p-7d3hx", "pédiatre, certificat chu-toulouse"),
    ("p-4f7k2", "agent de la CRIP, certificat departement-31"),
    ("p-8c3mz", "cadre de la CRIP, certificat departement-31"),
    ("p-1c7qv", "magistrat de permanence, certificat parquet-toulouse"),
];

/// Starts the provider and writes the portal into the stage's configuration.
pub(super) async fn open(world: &World, origin: &str, now: Instant) -> Result<IdentityProvider, DemoFault> {
    let fault = |e: &dyn std::fmt::Display| DemoFault::Story(format!("fournisseur d’identité : {e}"));
    let issued = world.pki.issue_gateway(&["localhost"], now.datetime().into()).map_err(DemoFault::pki)?;
    let audience = Audience {
        people: PEOPLE.iter().map(|(sub, who)| ((*sub).to_owned(), format!("{sub}, {who}"))).collect(),
        client: CLIENT.to_owned(),
        secret: SECRET.to_owned(),
        return_to: format!("{origin}/portail/retour"),
        now: Box::new(|| SystemClock.now().unix_ms() / 1000),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| fault(&e))?;
    let provider = IdentityProvider::serve(listener, &issued, audience).map_err(|e| fault(&e))?;
    world.open_portal(origin, provider.issuer(), "")?;
    Ok(provider)
}

/// How a browser gets in, in the narrator's words.
pub(super) fn told(world: &World, origin: &str) -> String {
    let member = world.folder.join("members/departement-31");
    format!(
        "Portail : {origin}/portail\n  Autorité à accepter dans le navigateur : {}\n  Certificat à y importer (ici celui du Département ; mot de passe vide) :\n    \
         openssl pkcs12 -export -passout pass: -in {} -inkey {} -out departement-31.p12",
        world.authorities().display(),
        member.join("certificate.pem").display(),
        member.join("key.pem").display()
    )
}
