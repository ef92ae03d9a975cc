//! The environment file's bytes: a regular file of bounded size that is UTF-8.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::errors::{ConfigErrors, Mistakes};

/// An environment takes 2 KiB or so.
const BYTES_MAX: u64 = 256 * 1024;

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let refuse = |message: String, hint: String| {
        let mut mistakes = Mistakes::new(path, String::new());
        mistakes.add_to_file(message, hint);
        mistakes.into_errors()
    };
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => refuse("this file does not exist".into(), nearby(path)),
        _ => refuse(format!("this file cannot be read: {error}"), "check its permissions and the path".into()),
    };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(refuse("this is a directory, not an environment file".into(), inside(path)));
    }
    if !metadata.is_file() {
        return Err(refuse("this is not a regular file".into(), "write the environment to a file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        let size = metadata.len().max(bytes.len() as u64);
        let message = format!("this file has {size} bytes; an environment file has at most {BYTES_MAX}");
        return Err(refuse(message, "check that this is the file you mean".into()));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error.utf8_error(), error.as_bytes()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn not_utf8(path: &Path, error: &std::str::Utf8Error, bytes: &[u8]) -> ConfigErrors {
    let start = error.valid_up_to();
    let message = format!("this file is not UTF-8: byte {start} is 0x{:02X}", bytes[start]);
    let hint = if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        "it looks like UTF-16; save it as UTF-8"
    } else {
        "save it as UTF-8"
    };
    let mut mistakes = Mistakes::new(path, String::from_utf8_lossy(bytes).into_owned());
    mistakes.add(start..start, message, hint);
    mistakes.into_errors()
}

/// What might have been meant by a path that does not exist.
fn nearby(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return format!("there is no folder {} either; check the path", folder.display());
    }
    let names = yaml_files(folder);
    // Without their endings, which would make every two names alike.
    let stem = |name: &str| Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = stem(&path.to_string_lossy());
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let meant = super::check::nearest(&wanted, stems.iter().map(String::as_str));
    match names.iter().find(|name| Some(stem(name).as_str()) == meant) {
        Some(name) => format!("did you mean {}?", path.with_file_name(name).display()),
        None => format!("check the path; {}", inside(folder)),
    }
}

/// The YAML files of a folder, in words.
fn inside(folder: &Path) -> String {
    let names = yaml_files(folder);
    match names.len() {
        0 => format!("there is no YAML file in {}", folder.display()),
        _ => format!("the YAML files in {}: {}", folder.display(), names.join(", ")),
    }
}

/// A few YAML files of a folder, by name. A folder that cannot be listed has none: they only serve a hint.
fn yaml_files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(1000)
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|n| n.ends_with(".yaml") || n.ends_with(".yml"))
        .collect();
    names.sort();
    names.truncate(10);
    names
}
