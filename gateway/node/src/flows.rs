//! The flows: one story for each journey through the gateway. They call the rooms and never each other.

pub mod verify;
