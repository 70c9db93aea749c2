//! An OpenSSH server of a test's own, as a partner or a Département runs one, and the office behind it that works with OpenSSH's
//! client. Neither is ever root.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use adapters::drop::{
    Acknowledgement, Listed, Manifest, Outcome, Sequence,
    name::{DropName, Part},
    signature::{self, Algorithm},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{ExchangeId, InstitutionId};
use gateway::demo::World;
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::user::{User, descendants};

/// A server, with a folder for each way.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    user: User,
    server: Option<Child>,
    sessions: Arc<AtomicUsize>,
}

impl Sshd {
    /// A server whose keys are made, and that runs.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut sshd = Self { folder, port, user: User::find(), server: None, sessions: Arc::default() };
        for name in ["srv", "srv/vers-partenaire", "srv/depuis-partenaire"] {
            fs::create_dir(sshd.path(name)).unwrap();
        }
        for name in ["host", "gateway", "office"] {
            keygen(&sshd.path(name));
        }
        let both = ["gateway.pub", "office.pub"].map(|name| fs::read_to_string(sshd.path(name)).unwrap()).concat();
        fs::write(sshd.path("authorized"), both).unwrap();
        let here = sshd.folder.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {here}/authorized\n\
             Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {here}/srv\n"
        );
        fs::write(sshd.path("sshd_config"), config).unwrap();
        fs::set_permissions(sshd.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        sshd.user.own(sshd.folder.path());
        sshd.resume();
        sshd
    }

    /// Starts again, and waits until it answers.
    pub fn resume(&mut self) {
        let mut command = self.user.command("/usr/sbin/sshd");
        command.arg("-D").arg("-e").arg("-f").arg(self.path("sshd_config"));
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(server.stderr.take().unwrap());
        let mut all = String::new();
        while !all.contains("Server listening") {
            assert!(said.read_line(&mut all).unwrap() > 0, "sshd: {all}");
        }
        // What it says later must not stop it.
        let sessions = self.sessions.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            while said.read_line(&mut line).is_ok_and(|read| read > 0) {
                if line.starts_with("Accepted publickey") {
                    sessions.fetch_add(1, Ordering::SeqCst);
                }
                line.clear();
            }
        });
        self.server = Some(server);
    }

    /// Goes dark: nobody listens, and whoever was connected is hung up on.
    pub fn go_dark(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut all = Vec::new();
            descendants(server.id(), &mut all);
            server.kill().unwrap();
            server.wait().unwrap();
            for session in all {
                let _ = Command::new("kill").args(["-9", &session.to_string()]).stderr(Stdio::null()).status();
            }
        }
    }

    /// Another host key, as somebody between would have.
    pub fn change_host_key(&mut self) {
        self.go_dark();
        fs::remove_file(self.path("host")).unwrap();
        fs::remove_file(self.path("host.pub")).unwrap();
        keygen(&self.path("host"));
        self.user.own(self.folder.path());
        self.resume();
    }

    /// The public host key, as `ssh-keyscan` gives it.
    pub fn host_key(&self) -> String {
        let line = fs::read_to_string(self.path("host.pub")).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// How often somebody was let in: the gateway at each look, the office at each command.
    pub fn looks(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The account on it.
    pub fn account(&self) -> &str {
        &self.user.name
    }

    /// Commands of OpenSSH's client, as the office types them.
    pub fn sftp(&self, commands: &str) -> String {
        let batch = self.path("batch");
        fs::write(&batch, commands).unwrap();
        let known = format!("[127.0.0.1]:{} {}\n", self.port, self.host_key());
        fs::write(self.path("known_hosts"), known).unwrap();
        self.user.own(self.folder.path());
        let done = self
            .user
            .command("sftp")
            .args(["-q", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", self.path("known_hosts").display()))
            .arg("-i")
            .arg(self.path("office"))
            .args(["-P", &self.port.to_string(), "-b"])
            .arg(&batch)
            .arg(format!("{}@127.0.0.1", self.user.name))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Names of the files in one of its folders.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let found = fs::read_dir(self.path("srv").join(folder)).into_iter().flatten().flatten().filter(|entry| entry.path().is_file());
        let mut names: Vec<String> = found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A file as it lies there.
    pub fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path("srv").join(file)).unwrap()
    }

    /// Puts a file there under its server's nose.
    pub fn put(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path("srv").join(file), bytes).unwrap();
        self.user.own(self.folder.path());
    }

    /// Lets nobody write into one of its folders, or everybody again.
    pub fn close_folder(&self, folder: &str, closed: bool) {
        let mode = if closed { 0o555 } else { 0o755 };
        fs::set_permissions(self.path("srv").join(folder), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.go_dark();
    }
}

fn keygen(file: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status().unwrap();
    assert!(made.success());
}

/// A partner's office: what it signs with.
pub struct Office {
    /// Its institution.
    pub institution: &'static str,
    system: Ed25519KeyPair,
    agent: Ed25519KeyPair,
}

/// Whose key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The machine of the institution.
    System,
    /// A person, with a key of this person's own.
    Agent,
    /// Somebody else.
    Stranger,
}

impl Office {
    /// An office with keys of its own.
    pub fn new(institution: &'static str) -> Self {
        Self { institution, system: pair(), agent: pair() }
    }

    /// Writes into a stage how the gateway reaches this partner; `more` is what else its file says.
    pub fn known_to(&self, world: &World, sshd: &Sshd, agent: &str, more: &str) {
        let folder = world.folder.join("sftp");
        fs::create_dir_all(folder.join("partners")).unwrap();
        fs::copy(sshd.path("gateway"), folder.join("id_ed25519")).unwrap();
        fs::set_permissions(folder.join("id_ed25519"), fs::Permissions::from_mode(0o600)).unwrap();
        let x = |pair: &Ed25519KeyPair| URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let text = format!(
            "institution = \"{}\"\nserves = \"departement-31\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nhost_key = \"{}\"\n\
             outbox = \"vers-partenaire\"\ninbox = \"depuis-partenaire\"\npoll_seconds = 1\n{more}\n\n\
             [[key]]\nkid = \"system\"\nkty = \"OKP\"\ncrv = \"Ed25519\"\nx = \"{}\"\n\n\
             [[key]]\nkid = \"agent\"\nkty = \"OKP\"\ncrv = \"Ed25519\"\nx = \"{}\"\nprofessional = \"{agent}\"\n",
            self.institution,
            sshd.port(),
            sshd.account(),
            sshd.host_key(),
            x(&self.system),
            x(&self.agent),
        );
        fs::write(folder.join(format!("partners/{}.toml", self.institution)), text).unwrap();
        let config = fs::read_to_string(world.config()).unwrap();
        if !config.contains("[sftp]") {
            fs::write(world.config(), format!("{config}\n[sftp]\nkey = \"sftp/id_ed25519\"\npartners = \"sftp/partners\"\n")).unwrap();
        }
    }

    /// A drop of this office as its files, in the order in which they are left.
    pub fn drop_of(&self, sequence: u64, files: &[(&str, &[u8])], by: By) -> Vec<(String, Vec<u8>)> {
        let sequence = Sequence::new(sequence).unwrap();
        let name = |part| DropName { sender: self.id(), sequence, part };
        let mut all = Vec::new();
        let mut listed = Vec::new();
        for (rank, (extension, bytes)) in (1..).zip(files) {
            let name = name(Part::File { rank, extension: (*extension).to_owned() });
            listed.push(Listed { name: name.clone(), size: bytes.len() as u64, sha256: sha256(bytes) });
            all.push((name.to_string(), bytes.to_vec()));
        }
        let manifest =
            Manifest { sender: self.id(), recipient: departement(), sequence, instant: crate::NOW.parse().unwrap(), files: listed };
        let list = manifest.write().unwrap();
        let jws = self.sign(&list, by);
        all.push((name(Part::Manifest).to_string(), list));
        all.push((name(Part::ManifestSignature).to_string(), jws));
        all
    }

    /// Leaves a drop with OpenSSH's client.
    pub fn leave(&self, sshd: &Sshd, sequence: u64, files: &[(&str, &[u8])], by: By) {
        self.leave_files(sshd, &self.drop_of(sequence, files, by));
    }

    /// Leaves these files with OpenSSH's client, in this order, each under its name once it is whole.
    pub fn leave_files(&self, sshd: &Sshd, files: &[(String, Vec<u8>)]) {
        let mut commands = String::new();
        for (name, bytes) in files {
            fs::write(sshd.path(name), bytes).unwrap();
            let local = sshd.path(name);
            commands.push_str(&format!("put {} depuis-partenaire/{name}.part\n", local.display()));
            commands.push_str(&format!("rename depuis-partenaire/{name}.part depuis-partenaire/{name}\n"));
        }
        sshd.sftp(&commands);
    }

    /// The signature of this office's system over bytes.
    pub fn signed(&self, bytes: &[u8]) -> Vec<u8> {
        self.sign(bytes, By::System)
    }

    /// Answers a drop of the gateway.
    pub fn acknowledge(&self, sshd: &Sshd, sequence: u64, outcome: Outcome, by: By) {
        let answer = Acknowledgement {
            sender: departement(),
            recipient: self.id(),
            sequence: Sequence::new(sequence).unwrap(),
            instant: crate::NOW.parse().unwrap(),
            outcome,
            remarks: Vec::new(),
        };
        let bytes = answer.write().unwrap();
        let jws = self.sign(&bytes, by);
        let name = answer.name();
        self.leave_files(sshd, &[(name.to_string(), bytes), (name.beside(Part::AcknowledgementSignature).to_string(), jws)]);
    }

    /// What the gateway answered to a drop, once it did: fetched with OpenSSH's client, and its signature checked with a key of
    /// `/v1/keys`.
    pub fn answer(&self, sshd: &Sshd, sequence: u64, keys: &Value) -> Option<Acknowledgement> {
        let name = |part| DropName { sender: self.id(), sequence: Sequence::new(sequence).unwrap(), part }.to_string();
        let there = sshd.names("vers-partenaire");
        if !there.contains(&name(Part::AcknowledgementSignature)) {
            return None;
        }
        let bytes = self.fetched(sshd, &name(Part::Acknowledgement));
        assert!(verified(keys, &bytes, &self.fetched(sshd, &name(Part::AcknowledgementSignature))), "the gateway signs its answers");
        Some(Acknowledgement::read(&bytes).unwrap())
    }

    /// Takes an answer away that was read, with OpenSSH's client.
    pub fn forget_answer(&self, sshd: &Sshd, sequence: u64) {
        let name = |part| DropName { sender: self.id(), sequence: Sequence::new(sequence).unwrap(), part }.to_string();
        let both = [name(Part::AcknowledgementSignature), name(Part::Acknowledgement)];
        sshd.sftp(&both.map(|name| format!("rm vers-partenaire/{name}\n")).concat());
    }

    /// A file that the gateway left, fetched with OpenSSH's client.
    pub fn fetched(&self, sshd: &Sshd, name: &str) -> Vec<u8> {
        fs::create_dir_all(sshd.path("office-files")).unwrap();
        let local = sshd.path("office-files").join(name);
        sshd.sftp(&format!("get vers-partenaire/{name} {}\n", local.display()));
        fs::read(local).unwrap()
    }

    /// The drop of a number that the gateway left: its list, verified, and the files of the list, as their digests say.
    pub fn received(&self, sshd: &Sshd, sequence: u64, keys: &Value) -> (Manifest, Vec<Vec<u8>>) {
        let name = |part| DropName { sender: departement(), sequence: Sequence::new(sequence).unwrap(), part }.to_string();
        let list = self.fetched(sshd, &name(Part::Manifest));
        assert!(verified(keys, &list, &self.fetched(sshd, &name(Part::ManifestSignature))), "the gateway signs its lists");
        let manifest = Manifest::read(&list).unwrap();
        let files: Vec<Vec<u8>> = manifest.files.iter().map(|file| self.fetched(sshd, &file.name.to_string())).collect();
        for (file, bytes) in manifest.files.iter().zip(&files) {
            assert_eq!((file.size, &file.sha256), (bytes.len() as u64, &sha256(bytes)));
        }
        (manifest, files)
    }

    fn sign(&self, bytes: &[u8], by: By) -> Vec<u8> {
        let stranger = pair();
        let (kid, key) = match by {
            By::System => ("system", &self.system),
            By::Agent => ("agent", &self.agent),
            By::Stranger => ("system", &stranger),
        };
        signature::sign::<()>(kid, Algorithm::EdDsa, bytes, |input| Ok(key.sign(input).as_ref().to_vec())).unwrap()
    }

    fn id(&self) -> InstitutionId {
        self.institution.parse().unwrap()
    }
}

/// The exchanges of an answer that accepts.
pub fn exchanges(answer: &Acknowledgement) -> Vec<ExchangeId> {
    match &answer.outcome {
        Outcome::Accept(ids) => ids.clone(),
        Outcome::Refuse => panic!("refused: {:?}", answer.remarks),
    }
}

fn departement() -> InstitutionId {
    "departement-31".parse().unwrap()
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn verified(keys: &Value, bytes: &[u8], jws: &[u8]) -> bool {
    signature::verify(jws, bytes, |signed| {
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == signed.kid);
        let x = URL_SAFE_NO_PAD.decode(key.unwrap()["x"].as_str().unwrap()).unwrap();
        UnparsedPublicKey::new(&ED25519, x).verify(signed.input, signed.signature).is_ok()
    })
    .is_ok()
}
