//! moto's server as a process from a virtual environment, for machines without Docker.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[path = "python.rs"]
mod python;

/// Serves on a free port of loopback, and ends as soon as its standard input does: also when the test is killed.
const PROGRAM: &str = "
import os, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', '0'])
";

/// A running server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Makes the virtual environment where it is missing, and starts the server.
pub(crate) async fn start(version: &'static str) -> Result<(String, Process), String> {
    let task = tokio::task::spawn_blocking(move || {
        serve(&python::environment("moto", &[&format!("moto[server]=={version}")])?)
    });
    task.await.map_err(|error| error.to_string())?
}

fn serve(python: &Path) -> Result<(String, Process), String> {
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let mut log = BufReader::new(child.stderr.take().expect("it was asked for above"));
    let process = Process(child);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
            return Err(format!("the server ended at once: {said}"));
        }
        if let Some((_, address)) = line.split_once("Running on ") {
            let endpoint = address.trim().to_owned();
            // It logs every request: without a reader it would stop at a full pipe.
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
            return Ok((endpoint, process));
        }
        said += &line;
    }
}
