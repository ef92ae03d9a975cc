//! The image catalogue: which program an image id stands for.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dev::app::AppOptions;

/// A catalogue is written by hand; whatever is larger is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The account that owns Amazon's images.
const AMAZON: &str = "137112412989";
/// How many images there can be.
const IMAGES_MAX: usize = 10_000;

/// The images that instances can be launched from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Every image, by its id.
    pub images: BTreeMap<String, Image>,
}

/// One "AMI": a program instead of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// Program and arguments, started without a shell. `{address}`, `{port}`, `{image}` and `{instance}` are replaced
    /// in the arguments. A program with a slash in it is relative to the catalogue's folder, else it is searched in
    /// `PATH`.
    ///
    /// For a container: what its own command is replaced with; empty leaves it as it is.
    #[serde(default)]
    pub command: Vec<String>,
    /// A container image, run by the Docker engine of this machine instead of a child process. Its `port` is published
    /// on the instance's address; inside it `{address}` and `HOST` are `0.0.0.0`.
    #[serde(default)]
    pub container: Option<String>,
    /// The port on which the program serves; it gets it as `PORT` and `{port}`.
    pub port: u16,
    /// Environment variables besides `HOST`, `PORT`, `INSTANCE_ID` and `IMAGE_ID`; the rest of the dev cloud's own
    /// environment is passed on, except the AWS credentials.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What `DescribeImages` answers; the image's id where it is missing.
    #[serde(default)]
    pub name: Option<String>,
    /// The account that owns it, which makes it a public image to all others; every account's own where it is missing.
    #[serde(default)]
    pub owner: Option<String>,
    /// What `DescribeImages` answers; it is not compared with this machine's own.
    #[serde(default)]
    pub architecture: Architecture,
    /// Whether instances can be launched from it.
    #[serde(default)]
    pub state: ImageState,
    /// Run the sample program inside the dev cloud instead of `command`; not for files.
    #[serde(skip)]
    pub sample: Option<AppOptions>,
}

/// An image's processor architecture, as EC2 names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Arm64,
}

/// An image's state, as EC2 names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// Instances can be launched.
    #[default]
    Available,
    /// Being made.
    Pending,
    /// Making it failed.
    Failed,
    /// It has been withdrawn; `DescribeImages` no longer finds it.
    Deregistered,
    /// Taken out of use for now: no launches, and listed only where asked for.
    Disabled,
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("cannot read the image catalogue {}: {source}", .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is far larger than a catalogue.
    #[error("the image catalogue {} is larger than {FILE_BYTES_MAX} bytes: is it the right file?", .file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
    },
    /// The file is no catalogue.
    #[error("the image catalogue {} is not valid: {problem}", .file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    images: BTreeMap<String, Image>,
}

impl Catalogue {
    /// Reads a YAML or JSON file:
    ///
    /// ```yaml
    /// images:
    ///   ami-0000000000000001a:
    ///     command: [./my-server, --listen, "{address}:{port}"]
    ///     port: 8080
    ///     environment: { VERSION: "1" }
    /// ```
    ///
    /// # Errors
    /// The file cannot be read, is no such file, or has an image that could not be started.
    pub fn load(file: &Path) -> Result<Self, CatalogueError> {
        let read = |source| CatalogueError::Read { file: file.to_owned(), source };
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(read)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(CatalogueError::TooLarge { file: file.to_owned() });
        }
        let invalid = |problem| CatalogueError::Invalid { file: file.to_owned(), problem };
        let mut catalogue = Self::parse(&text).map_err(invalid)?;
        let folder = std::path::absolute(file).map_err(read)?;
        for image in catalogue.images.values_mut() {
            // What is in a container is not in the catalogue's folder.
            let Some(program) = image.command.first_mut().filter(|_| image.container.is_none()) else { continue };
            if let (true, Some(folder)) = (program.contains('/'), folder.parent()) {
                *program = folder.join(&*program).display().to_string();
            }
        }
        Ok(catalogue)
    }

    /// Adds an image, or replaces it; an error says what is wrong with it.
    pub(in crate::dev) fn add(&mut self, id: &str, image: Image) -> Result<(), String> {
        if self.images.len() >= IMAGES_MAX && !self.images.contains_key(id) {
            return Err(format!("the catalogue has {IMAGES_MAX} images already"));
        }
        image.check(id)?;
        self.images.insert(id.to_owned(), image);
        Ok(())
    }

    /// The images in `text`; an error says what is wrong and where.
    fn parse(text: &str) -> Result<Self, String> {
        let File { images } = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if images.is_empty() {
            return Err("it has no image: `images` must have at least one entry".into());
        }
        for (id, image) in &images {
            image.check(id)?;
        }
        Ok(Self { images })
    }
}

impl Image {
    /// An available image that runs `command` on `port`.
    pub fn new(command: Vec<String>, port: u16) -> Self {
        Self {
            command,
            container: None,
            port,
            environment: BTreeMap::new(),
            name: None,
            owner: None,
            architecture: Architecture::default(),
            state: ImageState::default(),
            sample: None,
        }
    }

    /// An available image whose instances are no processes: the dev cloud itself runs the sample program on `port`. A
    /// dev cloud without sockets has no others.
    pub fn in_memory(options: AppOptions, port: u16) -> Self {
        Self { sample: Some(options), ..Self::new(vec!["(the sample program)".into()], port) }
    }

    /// The name that AWS gives to some accounts that own images.
    pub(crate) fn owner_alias(&self) -> Option<&'static str> {
        (self.owner.as_deref() == Some(AMAZON)).then_some("amazon")
    }

    fn check_container(&self, id: &str, container: &str) -> Result<(), String> {
        // What begins with a dash would be an option of `docker run`.
        if container.is_empty() || container.starts_with('-') || container.contains(char::is_whitespace) {
            return Err(format!("image {id}: `{container}` is no container image, for example registry/shop:1.2"));
        }
        // The command-line client itself would use these.
        let reserved = |name: &&String| matches!(name.as_str(), "PATH" | "HOME") || name.starts_with("DOCKER_");
        match self.environment.keys().find(reserved) {
            Some(name) => Err(format!("image {id}: `{name}` cannot be set for a container: set it in its image")),
            None => Ok(()),
        }
    }

    fn check(&self, id: &str) -> Result<(), String> {
        let digits = id.strip_prefix("ami-").unwrap_or_default();
        if !(8..=17).contains(&digits.len()) || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!(
                "`{id}` is no image id: expected `ami-` and 8 to 17 of 0-9 and a-f, for example ami-0000000000000001a"
            ));
        }
        if let Some(container) = &self.container {
            self.check_container(id, container)?;
        } else if self.command.first().is_none_or(String::is_empty) {
            return Err(format!("image {id}: `command` must name a program, for example [./my-server, \"{{port}}\"]"));
        }
        if self.owner.as_ref().is_some_and(|owner| owner.len() != 12 || !owner.bytes().all(|b| b.is_ascii_digit())) {
            return Err(format!("image {id}: `owner` must be an account id, twelve digits"));
        }
        if self.port == 0 {
            return Err(format!("image {id}: `port` must be 1 to 65535, the port on which the program serves"));
        }
        let mut names = self.environment.keys();
        if let Some(name) = names.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(format!("image {id}: `{name}` cannot be the name of an environment variable"));
        }
        Ok(())
    }
}
