//! moto's server as a process from a virtual environment, for machines without Docker.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
    let task = tokio::task::spawn_blocking(move || serve(&virtual_environment(version)?));
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

/// The interpreter of a virtual environment that holds moto. It is made once; tests that run meanwhile wait.
fn virtual_environment(version: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("moto-{version}"));
    let python = folder.join("bin/python");
    let in_words = |error: std::io::Error| format!("{}: {error}", folder.display());
    let lock = File::create(folder.with_extension("lock")).map_err(in_words)?;
    lock.lock().map_err(in_words)?;
    let complete = folder.join("complete");
    if !complete.exists() {
        eprintln!("making a virtual environment with moto {version}: this takes a minute, once");
        let here = folder.display().to_string();
        run(Path::new("python3"), &["-m", "venv", "--clear", &here])?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &format!("moto[server]=={version}")];
        run(&python, &pip)?;
        File::create(complete).map_err(in_words)?;
    }
    Ok(python)
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let line = format!("{} {}", program.display(), arguments.join(" "));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{line}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{line}: {error}")),
    }
}
