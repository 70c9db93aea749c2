//! What a reader can conclude is found here by trying every table that fits what was shown, and not by the flows that decide
//! what is hidden.

mod exports;
mod hiding;
