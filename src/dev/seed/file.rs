//! A seed as a YAML file, for `switchback dev --seed-file`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Seed;

/// A seed is written by hand; whatever is larger is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a seed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedFileError {
    /// It cannot be read.
    #[error("cannot read the seed file {}: {source}", .file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no seed.
    #[error("the seed file {} is not valid: {problem}", .file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

impl Seed {
    /// Reads a YAML file with any of a seed's fields; what is not named is as in the demo, but nothing runs unless an
    /// image is named:
    ///
    /// ```yaml
    /// environment: shop
    /// load-balancers: [shop, shop-green]
    /// target-groups: [shop-blue, shop-green]
    /// image: ami-00000000000000001      # from the image catalogue
    /// count: 2
    /// switch: { rule: { priority: 10, condition: { path: "/api/*" } } }
    /// ```
    ///
    /// # Errors
    /// The file cannot be read, has a field that a seed does not have, or wants instances of no image.
    pub fn load(file: &Path) -> Result<Self, SeedFileError> {
        let read = |source| SeedFileError::Read { file: file.to_owned(), source };
        let invalid = |problem| SeedFileError::Invalid { file: file.to_owned(), problem };
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(read)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(invalid(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let seed: Self = serde_yaml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if seed.subnets.len() < 2 {
            return Err(invalid("`subnets` must have two names or more: a load balancer needs two zones".into()));
        }
        if seed.count > 0 && seed.image.is_none() {
            return Err(invalid(format!("`count` is {}, but there is no `image` to run", seed.count)));
        }
        Ok(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SeedCondition, SeedSwitch};
    use super::*;

    fn load(text: &str) -> Result<Seed, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Seed::load(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_names_what_differs_from_the_demo_and_runs_nothing_without_an_image() {
        let seed = load("environment: pay\n").unwrap();
        assert_eq!((seed.environment.as_str(), seed.image.as_deref(), seed.count), ("pay", None, 0));
        assert_eq!(seed.target_groups, Seed::new("x").target_groups);
        let seed =
            load("{ image: ami-1, count: 3, switch: { rule: { priority: 7, condition: { host: a.b } } } }").unwrap();
        assert_eq!((seed.image.as_deref(), seed.count), (Some("ami-1"), 3));
        assert_eq!(seed.switch, SeedSwitch::Rule { priority: 7, condition: SeedCondition::Host("a.b".into()) });
        assert_eq!(load("switch: default-action\n").unwrap().switch, SeedSwitch::DefaultAction);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let told = load("environment: pay\nhue: red\n").unwrap_err();
        assert!(told.contains("hue") && told.contains('2'), "{told}");
        assert!(load("count: 2\n").unwrap_err().contains("no `image` to run"));
        assert!(load("subnets: [one]\n").unwrap_err().contains("two zones"));
        assert!(Seed::load(Path::new("/nonexistent")).unwrap_err().to_string().contains("/nonexistent"));
    }
}
