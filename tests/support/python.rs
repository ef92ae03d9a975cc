//! Python with packages that a test needs, in a virtual environment below the target folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The interpreter of a virtual environment that holds `requirements`. It is made once; tests that run meanwhile wait.
pub(crate) fn environment(name: &str, requirements: &[&str]) -> Result<PathBuf, String> {
    let version = requirements.concat();
    let version = version.rsplit('=').next().unwrap_or_default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{version}"));
    let python = folder.join("bin/python");
    let in_words = |error: std::io::Error| format!("{}: {error}", folder.display());
    let lock = File::create(folder.with_extension("lock")).map_err(in_words)?;
    lock.lock().map_err(in_words)?;
    let complete = folder.join("complete");
    if !complete.exists() {
        eprintln!("making a virtual environment with {}: this takes a minute, once", requirements.join(" "));
        let here = folder.display().to_string();
        run(Path::new("python3"), &["-m", "venv", "--clear", &here])?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(&python, &[&pip, requirements].concat())?;
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
