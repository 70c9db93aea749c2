//! A browser without script at the portal: a client certificate, a jar of cookies, pages, forms; and the portal itself, with
//! an identity provider that it trusts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Mutex,
};

use certs_dev::{Audience, IdentityProvider};
use exchange::Instant;
use form_urlencoded::Serializer;
use gateway::{
    clock::Clock,
    demo::world::{CLIENT, SECRET, World},
    listen::client_config,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, header::HeaderMap, redirect};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::TcpListener;

use crate::{NOW, Scene, people::*};

/// A gateway with its portal open, and who says who people are.
pub struct Portal {
    /// The gateway.
    pub scene: Scene,
    /// The identity provider.
    pub provider: IdentityProvider,
    /// What a browser writes before a path.
    pub origin: String,
}

/// One browser on one machine of one member.
pub struct Browser {
    http: Client,
    origin: String,
    /// Its cookies.
    pub jar: Mutex<BTreeMap<String, String>>,
    /// Those that it keeps back while another site leads it.
    strict: Mutex<BTreeSet<String>>,
}

/// What a browser got.
#[derive(Debug)]
pub struct Page {
    /// Status.
    pub status: StatusCode,
    /// Where it is in the end.
    pub url: String,
    /// Header lines.
    pub headers: HeaderMap,
    /// Its text.
    pub text: String,
}

impl Portal {
    /// Opens it.
    pub async fn open() -> Self {
        Self::open_with("").await
    }

    /// Opens it with more lines of its configuration.
    pub async fn open_with(more: &str) -> Self {
        Self::open_on(more, "", |_| {}).await
    }

    /// Opens it with more lines of its configuration and of its provider's, on a stage that `prepare` changed.
    pub async fn open_on(more: &str, provider_lines: &str, prepare: impl FnOnce(&mut World)) -> Self {
        let mut scene = Scene::set(|_| {});
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let origin = format!("https://localhost:{port}");
        let now: Instant = NOW.parse().unwrap();
        let issued = scene.world.pki.issue_gateway(&["localhost"], now.datetime().into()).unwrap();
        let clock = scene.clock.clone();
        let label = |(institution, sub): (&str, &str)| (sub.to_owned(), format!("{sub}, {institution}"));
        let people =
            [SCHOOL, HOSPITAL, TEACHER, HEADMASTER, CRIP, CADRE, FORMER, ASE, PMI, DPO, MAGISTRATE, TOWN_HALL, ON_CALL, ADMIN, AUDITOR]
                .map(label)
                .into();
        let audience = Audience {
            people,
            client: CLIENT.to_owned(),
            secret: SECRET.to_owned(),
            return_to: format!("{origin}/portail/retour"),
            now: Box::new(move || clock.now().unix_seconds()),
        };
        let provider = IdentityProvider::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), &issued, audience).unwrap();
        scene.world.listen(&format!("127.0.0.1:{port}"), "127.0.0.1:0").unwrap();
        scene.world.open_portal(&origin, provider.issuer(), more).unwrap();
        let file = scene.world.config();
        let written = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, written.replace("profile = \"oidc\"", &format!("profile = \"oidc\"\n{provider_lines}"))).unwrap();
        prepare(&mut scene.world);
        scene.resume().await;
        Self { scene, provider, origin }
    }

    /// A browser with the certificate of a member.
    pub fn browser(&self, institution: &str) -> Browser {
        Browser::new(&self.origin, &self.scene.member(institution), &self.scene.world.authorities())
    }

    /// A browser in which somebody has signed in.
    pub async fn signed_in(&self, who: (&str, &str)) -> Browser {
        let browser = self.browser(who.0);
        let page = browser.sign_in(who.1).await;
        assert!(page.text.contains("Vous êtes connecté"), "{}", page.text);
        browser
    }
}

impl Browser {
    fn new(origin: &str, member: &Path, authorities: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(member.join("certificate.pem")).unwrap().collect::<Result<_, _>>().unwrap();
        let roots: Vec<_> = CertificateDer::pem_file_iter(authorities).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(member.join("key.pem")).unwrap();
        let http = Client::builder()
            .tls_backend_preconfigured(client_config(&roots, chain, key).unwrap())
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, origin: origin.to_owned(), jar: Mutex::default(), strict: Mutex::default() }
    }

    /// A request with the cookies of this place.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.led(method, url, false)
    }

    /// The same; where another site leads it here, without the strict ones.
    fn led(&self, method: Method, url: &str, from_elsewhere: bool) -> RequestBuilder {
        let url = if url.starts_with('/') { format!("{}{url}", self.origin) } else { url.to_owned() };
        let request = self.http.request(method, &url);
        if !url.starts_with(&self.origin) {
            return request;
        }
        let (jar, strict) = (self.jar.lock().unwrap(), self.strict.lock().unwrap());
        let told = jar.iter().filter(|(name, _)| !from_elsewhere || !strict.contains(*name));
        let cookies: Vec<String> = told.map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Sends a request and follows where it leads.
    pub async fn follow(&self, request: RequestBuilder) -> Page {
        let mut answer = request.send().await.unwrap();
        let mut from_elsewhere = false;
        for _ in 0..10 {
            from_elsewhere |= !answer.url().as_str().starts_with(&self.origin);
            self.keep(answer.headers());
            let Some(place) = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned()) else { break };
            answer = self.led(Method::GET, &place, from_elsewhere).send().await.unwrap();
        }
        let (status, url, headers) = (answer.status(), answer.url().to_string(), answer.headers().clone());
        Page { status, url, headers, text: answer.text().await.unwrap() }
    }

    /// A page.
    pub async fn get(&self, path: &str) -> Page {
        self.follow(self.request(Method::GET, path)).await
    }

    /// A form, sent as a browser sends it.
    pub fn form(&self, path: &str, pairs: &[(&str, &str)]) -> RequestBuilder {
        let body = Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = self.request(Method::POST, path).header("origin", &self.origin).header("sec-fetch-site", "same-origin");
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// A form of this session.
    pub async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let csrf = self.csrf().await;
        let all: Vec<(&str, &str)> = [("_csrf", csrf.as_str())].into_iter().chain(pairs.iter().copied()).collect();
        self.follow(self.form(path, &all)).await
    }

    /// What proves that a form is of this session.
    pub async fn csrf(&self) -> String {
        self.get("/portail").await.value("_csrf")
    }

    /// Goes to the provider and chooses a person.
    pub async fn sign_in(&self, sub: &str) -> Page {
        let chooses = self.get("/portail/connexion/0").await;
        let link = chooses.links().find(|link| link.contains(&format!("who={sub}&"))).unwrap_or_else(|| panic!("{}", chooses.text));
        let place = chooses.url.split("/authorize").next().unwrap().to_owned();
        self.get(&format!("{place}{link}")).await
    }

    /// Ends the session, here and where the page leads.
    pub async fn sign_out(&self) -> Page {
        let page = self.post("/portail/deconnexion", &[]).await;
        let way_out = page.links().find(|link| link.contains("id_token_hint"));
        match way_out {
            Some(way_out) => self.get(&way_out).await,
            None => page,
        }
    }

    /// What a draft says before it is sent: the digest that its form carries.
    pub async fn shown(&self, draft: &str) -> String {
        let page = self.get(&format!("/portail/brouillon/{draft}/verifier")).await;
        if page.text.contains("name=\"_lu\"") { page.value("_lu") } else { String::new() }
    }

    /// Reads a draft again and sends it with files: field, file name, media type, content.
    pub async fn send(&self, draft: &str, files: &[(&str, &str, &str, &[u8])]) -> Page {
        let (csrf, shown) = (self.csrf().await, self.shown(draft).await);
        self.follow(self.sending(draft, (&csrf, &shown), files)).await
    }

    /// The same, not sent yet.
    pub fn sending(&self, draft: &str, (csrf, shown): (&str, &str), files: &[(&str, &str, &str, &[u8])]) -> RequestBuilder {
        let word = |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let mut body = (word("_csrf", csrf) + &word("_lu", shown)).into_bytes();
        for (field, name, media, content) in files {
            for (part, value) in [("title", format!("Pièce {field}")), ("class", "sante".to_owned())] {
                body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{field}.{part}\"\r\n\r\n{value}\r\n").into_bytes());
            }
            let head =
                format!("--b\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\ncontent-type: {media}\r\n\r\n");
            body.extend(head.into_bytes());
            body.extend_from_slice(content);
            body.extend(b"\r\n");
        }
        body.extend(b"--b--\r\n");
        let request = self.request(Method::POST, &format!("/portail/envoi/{draft}")).header("origin", &self.origin);
        request.header("content-type", "multipart/form-data; boundary=b").body(body)
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut jar = self.jar.lock().unwrap();
        for line in headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            // A `__Host-` cookie that is not for the whole host, over TLS alone, is none to a browser.
            assert!(line.starts_with("__Host-") && line.contains("; Path=/; Secure; HttpOnly; SameSite="), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("SameSite=Strict") {
                self.strict.lock().unwrap().insert(name.to_owned());
            }
            if line.contains("Max-Age=0") {
                jar.remove(name)
            } else {
                jar.insert(name.to_owned(), value.to_owned())
            };
        }
    }
}

impl Page {
    /// The first value of a hidden control.
    pub fn value(&self, name: &str) -> String {
        let at = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&at).unwrap_or_else(|| panic!("no `{name}` on {}:\n{}", self.url, self.text)).1;
        rest.split('"').next().unwrap().to_owned()
    }

    /// Where its links lead.
    pub fn links(&self) -> impl Iterator<Item = String> {
        self.text
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&"))
    }

    /// The first link that begins so.
    pub fn link(&self, begins: &str) -> String {
        self.links().find(|link| link.starts_with(begins)).unwrap_or_else(|| panic!("no link `{begins}` on {}:\n{}", self.url, self.text))
    }

    /// The draft that the form of this page writes.
    pub fn link_of_form(&self) -> String {
        let at = "action=\"/portail/brouillon/";
        let rest = self.text.split_once(at).unwrap_or_else(|| panic!("no form on {}:\n{}", self.url, self.text)).1;
        rest.split(['"', '/']).next().unwrap().to_owned()
    }

    /// The last step of where it is.
    pub fn last(&self) -> String {
        self.url.split(['?', '#']).next().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// One header line.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}
