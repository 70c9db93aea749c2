//! A network of the test's own: a namespace that lies behind cables, each of which can be cut. What is sent over a cut one is
//! swallowed, as by a switch that lost its power: no answer, no reset, and nothing that was open is told. Root only.

use std::{fs::File, process::Command, thread};

use rustix::{
    fd::AsFd,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::volume::rooted;

/// A namespace behind cables, one for each process. It is gone with this.
pub struct Network {
    name: String,
    cables: Vec<Cable>,
}

struct Cable {
    here: String,
    there: String,
    address: String,
}

impl Network {
    /// One with so many cables; nothing where this machine does not allow it.
    pub fn new(cables: u8) -> Option<Self> {
        let name = format!("net{}", std::process::id());
        if !rooted() || !ip(&["netns", "add", &name]) {
            return None;
        }
        let mut network = Self { name, cables: Vec::new() };
        let laid = ip(&["-n", &network.name, "link", "set", "lo", "up"]) && (0..cables).all(|cable| network.lay(cable));
        laid.then_some(network)
    }

    /// Address of what listens behind a cable.
    pub fn address(&self, cable: usize) -> &str {
        &self.cables[cable].address
    }

    /// From now on nothing comes through.
    pub fn cut(&self, cable: usize) {
        let Cable { there, address, .. } = &self.cables[cable];
        assert!(ip(&["-n", &self.name, "addr", "del", &format!("{address}/30"), "dev", there]), "cut");
    }

    /// It does again; whoever still waits for an answer may get it.
    pub fn mend(&self, cable: usize) {
        let Cable { there, address, .. } = &self.cables[cable];
        assert!(ip(&["-n", &self.name, "addr", "add", &format!("{address}/30"), "dev", there]), "mend");
    }

    /// What a function makes behind the cables: the programs that it starts stay there.
    pub fn behind<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                make()
            });
            inside.join().unwrap()
        })
    }

    fn lay(&mut self, cable: u8) -> bool {
        // Four of 4,096 times four networks of four addresses in 198.18.0.0/16, which is for such tests (RFC 2544).
        let first = (std::process::id() % 4096) * 16 + u32::from(cable % 4) * 4;
        let net = |host: u32| {
            let [_, _, high, low] = (first + host).to_be_bytes();
            format!("198.18.{high}.{low}")
        };
        let (here, there) = (format!("{}h{cable}", self.name), format!("{}t{cable}", self.name));
        let (gate, address) = (net(1), net(2));
        let laid = ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &self.name])
            && ip(&["addr", "add", &format!("{gate}/30"), "dev", &here])
            && ip(&["link", "set", &here, "up"])
            && ip(&["-n", &self.name, "addr", "add", &format!("{address}/30"), "dev", &there])
            && ip(&["-n", &self.name, "link", "set", &there, "up"]);
        // Whoever is behind a cut cable is not asked where it is: the answer would not come, and that would be told at once.
        let known = mac(&self.name, &there)
            .is_some_and(|mac| ip(&["neigh", "replace", &address, "lladdr", &mac, "nud", "permanent", "dev", &here]));
        self.cables.push(Cable { here, there, address });
        laid && known
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for cable in &self.cables {
            ip(&["link", "del", &cable.here]);
        }
        ip(&["netns", "del", &self.name]);
    }
}

fn mac(name: &str, link: &str) -> Option<String> {
    let shown = Command::new("ip").args(["-n", name, "-br", "link", "show", "dev", link]).output().ok()?;
    String::from_utf8_lossy(&shown.stdout).split_whitespace().nth(2).map(str::to_owned)
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|done| done.status.success())
}
