//! What changed between two folders, in words.
