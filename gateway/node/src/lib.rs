//! Passerelle: a gateway through which French institutions exchange information about children in danger.
//!
//! The map of the rooms. Imports point one way: words (`exchange`) ← codecs (`adapters`) ← rules ← store ←
//! flows ← edges ← node; a test checks it.
//!
//! * rules, which know no socket and no database: [`clock`] [`source`] (data files) [`catalogue`] [`directory`] [`agreements`]
//!   [`policy`] [`retention`] [`proof`] (what a solver says of the rules) [`token`] [`receipt`] [`seal`] [`log`]
//! * [`store`]: what is kept
//! * [`refusal`]: what a flow says when it says no, and how the wire shows it
//! * [`flows`]: one story each; begin with [`flows::accept`] and [`flows::collect`]
//! * edges: [`config`], the door ([`listen`] [`routes`] [`problem`]), [`portal`] (its pages), [`send`] (pushes), `drops` (files over SFTP), [`watch`] (health, log lines, traces), [`client`] (a member's)
//! * [`node`], which builds and stops all of it, and the [`commands`] that people type

// rules
pub mod agreements;
pub mod catalogue;
pub mod clock;
pub mod directory;
pub mod log;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod retention;
pub mod seal;
pub mod source;
pub mod token;
// store
pub mod store;
// what a flow says when it says no
pub mod refusal;
// flows
pub mod flows;
// edges
pub mod client;
pub mod config;
#[cfg(feature = "sftp")]
pub mod drops;
pub mod listen;
#[cfg(feature = "mail")]
pub mod mail;
pub mod portal;
pub mod problem;
pub mod routes;
pub mod send;
pub mod watch;
// node
pub mod commands;
#[cfg(feature = "demo")]
pub mod demo;
pub mod node;
