//! Whether an image can be launched: asked before anything is created.

use std::sync::PoisonError;

use aws_sdk_ec2::types::{Image, ImageState, InstanceType};

use super::{Cloud, CloudError, cli};
use crate::release::{Pins, Problem};

/// An image that can be launched from the release's template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFact {
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its architecture, for example `arm64`.
    pub architecture: String,
    /// The template's instance type, which fits it.
    pub instance_type: String,
}

/// What a launch template version says that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateFact {
    /// `None` where the version leaves the type open.
    pub(super) instance_type: Option<String>,
}

impl Cloud {
    /// Whether the image can be launched from the pinned template version: it exists, it is available, and its
    /// architecture is one of the template's instance type.
    ///
    /// # Errors
    /// Refused with the reason where it cannot; also without an answer.
    pub async fn check_image(&self, pins: &Pins, image: &str) -> Result<ImageFact, CloudError> {
        const OPERATION: &str = "ec2:DescribeImages";
        if !image.starts_with("ami-") {
            let problem = Problem::new(
                format!("the image {image:?}"),
                "an immutable image id (ami-…): anything that is looked up at launch can move under a release",
                self.aws(&["ec2", "describe-images", "--owners", "self"]),
            );
            return Err(CloudError::refused(OPERATION, problem));
        }
        let (found, (instance_type, supported)) = tokio::try_join!(self.image(image), self.machine(pins))?;
        let look = || self.aws(&["ec2", "describe-images", "--image-ids", image, "--include-disabled"]);
        let Some(found) = found else {
            let problem = Problem::new(
                format!("the image {image} does not exist in this account and region, or was deregistered"),
                "an image that can be launched",
                look(),
            );
            return Err(CloudError::refused(OPERATION, problem));
        };
        if found.state() != Some(&ImageState::Available) {
            let state = found.state().map_or("unknown", ImageState::as_str);
            let why = found.state_reason().and_then(|r| r.message()).map(|m| format!(" ({m})")).unwrap_or_default();
            let problem = Problem::new(
                format!("the image {image} is {state}{why}"),
                "an image that is available; also a rollback may have to launch it again",
                look(),
            );
            return Err(CloudError::refused(OPERATION, problem));
        }
        let architecture = found.architecture().map(|a| a.as_str().to_owned()).unwrap_or_default();
        if !supported.contains(&architecture) {
            let problem = Problem::new(
                format!("the image {image} is built for {architecture}"),
                format!("{}, as the template's instance type {instance_type} needs it", supported.join(" or ")),
                look(),
            );
            return Err(CloudError::refused(OPERATION, problem));
        }
        Ok(ImageFact { id: image.to_owned(), name: found.name, architecture, instance_type })
    }

    async fn image(&self, image: &str) -> Result<Option<Image>, CloudError> {
        // Asked for by id there is one page only. Disabled and deprecated ones are shown, so that the message can tell.
        let answer =
            self.ec2.describe_images().image_ids(image).include_deprecated(true).include_disabled(true).send().await;
        match answer {
            Ok(answer) => Ok(answer.images.unwrap_or_default().into_iter().find(|i| i.image_id() == Some(image))),
            Err(e) => {
                let error = CloudError::read("ec2:DescribeImages", e);
                match error.code.as_deref() {
                    Some("InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable" | "InvalidAMIID.Malformed") => Ok(None),
                    _ => Err(error),
                }
            }
        }
    }

    /// The template's instance type, and the architectures that it runs.
    async fn machine(&self, pins: &Pins) -> Result<(String, Vec<String>), CloudError> {
        const OPERATION: &str = "ec2:DescribeInstanceTypes";
        let Some(instance_type) = self.template(&pins.template, pins.template_version).await?.instance_type else {
            let problem = Problem::new(
                format!(
                    "version {} of the launch template {} has no instance type",
                    pins.template_version, pins.template
                ),
                "a template with one instance type, so that every instance of a color is alike",
                self.aws(&["ec2", "describe-launch-template-versions", "--launch-template-id", &pins.template]),
            );
            return Err(CloudError::refused("ec2:DescribeLaunchTemplateVersions", problem));
        };
        let answer = self
            .ec2
            .describe_instance_types()
            .instance_types(InstanceType::from(instance_type.as_str()))
            .send()
            .await
            .map_err(|e| CloudError::read(OPERATION, e))?;
        let found =
            answer.instance_types().iter().find(|t| t.instance_type().is_some_and(|t| t.as_str() == instance_type));
        let processor = found.and_then(|t| t.processor_info());
        let supported: Vec<_> = processor
            .map(|p| p.supported_architectures())
            .unwrap_or_default()
            .iter()
            .map(|a| a.as_str().to_owned())
            .collect();
        if supported.is_empty() {
            return Err(CloudError::incomplete(OPERATION, "architecture of the template's instance type"));
        }
        Ok((instance_type, supported))
    }

    /// A launch template version, read once.
    async fn template(&self, id: &str, version: i64) -> Result<TemplateFact, CloudError> {
        const OPERATION: &str = "ec2:DescribeLaunchTemplateVersions";
        if let Some(known) =
            self.templates.lock().unwrap_or_else(PoisonError::into_inner).get(&(id.to_owned(), version))
        {
            return Ok(known.clone());
        }
        let answer = self
            .ec2
            .describe_launch_template_versions()
            .launch_template_id(id)
            .versions(version.to_string())
            .send()
            .await
            .map_err(|e| CloudError::read(OPERATION, e))?;
        let found = answer.launch_template_versions().iter().find(|v| v.version_number() == Some(version));
        let data = found
            .and_then(|v| v.launch_template_data())
            .ok_or_else(|| CloudError::incomplete(OPERATION, "launch template version"))?;
        let fact = TemplateFact { instance_type: data.instance_type().map(|t| t.as_str().to_owned()) };
        self.remember(id, version, fact.clone());
        Ok(fact)
    }

    /// Keep what a launch template version says: it never changes.
    pub(super) fn remember(&self, id: &str, version: i64, fact: TemplateFact) {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner).insert((id.to_owned(), version), fact);
    }

    /// A command of the AWS CLI in this region, for a message.
    pub(super) fn aws(&self, arguments: &[&str]) -> String {
        cli::aws(self.region.as_deref(), arguments)
    }
}
