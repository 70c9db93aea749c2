//! One room per partner: bytes in, bytes out. No socket, no clock, no key, no database: an adapter
//! cannot leak or decide. It turns a partner's own format into the canonical envelope, and back.

mod archive;
pub mod caf;
pub mod departement;
pub mod drop;
pub mod education;
pub mod elements;
pub mod fhir;
pub mod forbidden;
#[cfg(test)]
mod frames;
pub mod health;
pub mod json;
pub mod mapping;
pub mod odpe;
pub mod olinpe;
pub mod parquet;
pub mod reading;
pub mod sheet;
pub mod typeset;
pub mod xdm;
