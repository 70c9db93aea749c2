//! A mail operator of a test's own: Exim takes mails and Dovecot shows them, both as Debian has them and never as root. What a
//! partner's mailbox gets is read from its disk; what a partner sends is handed to Exim as any program on a mail server does.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use certs_dev::Pki;
use gateway::demo::World;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::user::{User, descendants};

/// The mailbox of the gateway.
pub const GATEWAY: &str = "passerelle@departement-31.mssante.example";
/// The mailbox of the partner.
pub const PARTNER: &str = "dpi@partenaire.mssante.example";

/// Both servers, with a folder for each mailbox.
pub struct PostOffice {
    folder: TempDir,
    smtp: u16,
    imap: u16,
    user: User,
    pki: Pki,
    exim: Option<Child>,
    dovecot: Option<Child>,
}

/// What one is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As an operator's server is.
    Honest,
    /// STARTTLS is not offered.
    Stripped,
    /// The mailbox of the partner is refused for good.
    Closed,
    /// The same, for now.
    Busy,
}

impl PostOffice {
    /// An office that is open.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (smtp, imap) = crate::process::free_ports();
        let pki = Pki::create(&folder.path().join("pki"), OffsetDateTime::now_utc()).unwrap();
        let mut office = Self { folder, smtp, imap, user: User::find(), pki, exim: None, dovecot: None };
        for name in ["spool", "log", "mail", "run", "home"] {
            fs::create_dir(office.path(name)).unwrap();
        }
        fs::set_permissions(office.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        office.certify();
        office.write(Manner::Honest);
        office.user.own(office.folder.path());
        office.open_exim();
        office.open_dovecot();
        office
    }

    /// Starts Exim again, in another manner.
    pub fn become_like(&mut self, manner: Manner) {
        self.close_exim();
        self.write(manner);
        self.user.own(self.folder.path());
        self.open_exim();
    }

    /// Nobody listens for mails any more.
    pub fn close_exim(&mut self) {
        stop(&mut self.exim);
    }

    /// Nobody shows mails any more.
    pub fn close_dovecot(&mut self) {
        stop(&mut self.dovecot);
    }

    /// Somebody listens for mails again.
    pub fn open_exim(&mut self) {
        self.exim = Some(self.run("/usr/sbin/exim4", &["-bdf", "-C"], "exim.conf"));
        answers(self.smtp);
    }

    /// Somebody shows mails again.
    pub fn open_dovecot(&mut self) {
        self.dovecot = Some(self.run("/usr/sbin/dovecot", &["-F", "-c"], "dovecot.conf"));
        answers(self.imap);
    }

    /// Another authority than before stands behind both servers.
    pub fn change_authority(&mut self) {
        self.close_exim();
        self.close_dovecot();
        self.pki = Pki::create(&self.path("other"), OffsetDateTime::now_utc()).unwrap();
        self.certify();
        self.user.own(self.folder.path());
        self.open_exim();
        self.open_dovecot();
    }

    /// Hands in a mail for the gateway; it lies in its mailbox, or was taken from there, when this ends.
    pub fn post(&self, from: &str, mail: &[u8]) {
        self.hand_in(from, GATEWAY, mail);
    }

    /// Hands in a mail for anybody.
    pub fn hand_in(&self, from: &str, to: &str, mail: &[u8]) {
        let mut command = self.user.command("/usr/sbin/exim4");
        // In the foreground: it is delivered when this ends. Nothing of the mail is changed.
        command.arg("-C").arg(self.path("exim.conf")).args(["-odi", "-oi", "-f", from, to]);
        let mut exim = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        exim.stdin.take().unwrap().write_all(mail).unwrap();
        let done = exim.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// The mails that lie in a folder of a mailbox, oldest first; its inbox has no name.
    pub fn lying(&self, mailbox: &str, folder: &str) -> Vec<Vec<u8>> {
        let name = mailbox.split('@').next().unwrap();
        let place = if folder.is_empty() { self.path(&format!("mail/{name}")) } else { self.path(&format!("mail/{name}/.{folder}")) };
        let mut files: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .flat_map(|part| fs::read_dir(place.join(part)).into_iter().flatten().flatten().map(|entry| entry.path()))
            .collect();
        files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
        // One that is moved just now is not lost, and not here.
        files.iter().filter_map(|file| fs::read(file).ok()).collect()
    }

    /// Writes into a stage how the gateway reaches its mailbox and this partner; `more` is what else the partner's file says.
    pub fn known_to(&self, world: &World, partner: &str, more: &str) {
        let folder = world.folder.join("mail");
        fs::create_dir_all(folder.join("partners")).unwrap();
        fs::create_dir_all(folder.join("trust")).unwrap();
        fs::copy(self.pki.root_certificate(), folder.join("trust/operateur.pem")).unwrap();
        fs::write(folder.join("password"), "secret\n").unwrap();
        fs::set_permissions(folder.join("password"), fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!("institution = \"{partner}\"\nmailbox = \"{PARTNER}\"\n{more}\n");
        fs::write(folder.join(format!("partners/{partner}.toml")), text).unwrap();
        let config = fs::read_to_string(world.config()).unwrap();
        if !config.contains("[mail]") {
            let mail = format!(
                "\n[mail]\naddress = \"{GATEWAY}\"\ninstitution = \"departement-31\"\nsmtp = {{ host = \"localhost\", port = {} }}\n\
                 imap = {{ host = \"localhost\", port = {} }}\nuser = \"passerelle\"\npassword_file = \"mail/password\"\n\
                 trust = \"mail/trust\"\npartners = \"mail/partners\"\npoll_seconds = 1\nmax_mib = 2\n",
                self.smtp, self.imap
            );
            fs::write(world.config(), config + &mail).unwrap();
        }
    }

    /// What the servers wrote down.
    pub fn log(&self) -> String {
        ["log/mainlog", "log/rejectlog", "log/dovecot"].iter().map(|name| fs::read_to_string(self.path(name)).unwrap_or_default()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn certify(&self) {
        let issued = self.pki.issue_gateway(&["localhost"], OffsetDateTime::now_utc()).unwrap();
        fs::write(self.path("server.pem"), issued.chain_pem).unwrap();
        fs::write(self.path("server.key"), issued.key_pem).unwrap();
        fs::set_permissions(self.path("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str], config: &str) -> Child {
        let mut command = self.user.command(program);
        command.args(arguments).arg(self.path(config));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn write(&self, manner: Manner) {
        let (here, user, smtp, imap) = (self.folder.path().display(), &self.user.name, self.smtp, self.imap);
        let tls = if manner == Manner::Stripped { "" } else { "*" };
        let auth = if manner == Manner::Stripped { "*" } else { "${if def:tls_in_cipher {*}{}}" };
        let refusal = match manner {
            Manner::Honest | Manner::Stripped => "",
            Manner::Closed => "deny message = no such mailbox\n",
            Manner::Busy => "defer message = later\n",
        };
        let exim = format!(
            "primary_hostname = mx.mssante.example\nspool_directory = {here}/spool\nlog_file_path = {here}/log/%slog\n\
             pid_file_path = {here}/exim.pid\ndaemon_smtp_ports = {smtp}\nlocal_interfaces = 127.0.0.1\nexim_user = {user}\n\
             exim_group = {user}\ndeliver_drop_privilege = true\nnever_users =\nkeep_environment =\nrfc1413_query_timeout = 0s\n\
             tls_advertise_hosts = {tls}\ntls_certificate = {here}/server.pem\ntls_privatekey = {here}/server.key\n\
             auth_advertise_hosts = {auth}\nacl_smtp_rcpt = rcpt\nacl_smtp_data = accept\nmessage_size_limit = 64M\n\
             begin acl\nrcpt:\n{refusal}accept authenticated = *\ndeny\n\
             begin routers\nall:\ndriver = accept\nlocal_parts = passerelle : dpi : hopital\ntransport = maildir\n\
             begin transports\nmaildir:\ndriver = appendfile\ndirectory = {here}/mail/$local_part_data\nmaildir_format\n\
             create_directory\nreturn_path_add\nuser = {user}\ngroup = {user}\n\
             begin authenticators\nplain:\ndriver = plaintext\npublic_name = PLAIN\n\
             server_condition = ${{if and {{{{eq{{$auth2}}{{passerelle}}}}{{eq{{$auth3}}{{secret}}}}}}}}\nserver_set_id = $auth2\n"
        );
        fs::write(self.path("exim.conf"), exim).unwrap();
        let (uid, gid) = self.user.ids();
        let dovecot = format!(
            "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {here}/run\nlog_path = {here}/log/dovecot\ninstance_name = test\n\
             default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {user}\n\
             mail_location = maildir:{here}/mail/%n\nfirst_valid_uid = 1\nssl = required\nssl_cert = <{here}/server.pem\n\
             ssl_key = <{here}/server.key\npassdb {{\ndriver = static\nargs = password=secret\n}}\n\
             userdb {{\ndriver = static\nargs = uid={uid} gid={gid} home={here}/home/%n\n}}\n\
             service imap-login {{\nchroot =\ninet_listener imap {{\nport = 0\n}}\n\
             inet_listener imaps {{\naddress = 127.0.0.1\nport = {imap}\nssl = yes\n}}\n}}\nservice anvil {{\nchroot =\n}}\n"
        );
        fs::write(self.path("dovecot.conf"), dovecot).unwrap();
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.close_exim();
        self.close_dovecot();
    }
}

/// A server and all that it started.
fn stop(server: &mut Option<Child>) {
    let Some(mut server) = server.take() else { return };
    let mut all = Vec::new();
    descendants(server.id(), &mut all);
    server.kill().unwrap();
    server.wait().unwrap();
    for child in all {
        let _ = std::process::Command::new("kill").args(["-9", &child.to_string()]).stderr(Stdio::null()).status();
    }
}

fn answers(port: u16) {
    wait(|| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok_and(|mut stream| {
            // TLS says nothing first; that somebody listens is enough there.
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.read(&mut [0; 1]);
            true
        })
    });
}

fn wait(holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
