//! Programs of `tests/interop`: other people's code, in the environment that `tests/check.sh` makes.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Runs one of them; gives its exit code and what it printed, errors last.
pub fn python(script: &str, arguments: &[&str], input: &[u8]) -> (i32, String) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("PASSERELLE_PYTHON").unwrap_or_else(|_| here.join("../target/tools/venv/bin/python").display().to_string());
    let mut child = Command::new(&python);
    child.arg(here.join("interop").join(script)).args(arguments);
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap_or_else(|error| panic!("{python}: {error}; tests/check.sh installs it"));
    // A program that ends before it has read everything says why by its exit code.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}
