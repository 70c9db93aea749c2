//! What a change opens and closes.
