//! Who is calling.

use super::{Cloud, CloudError};

/// Whose credentials are in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The AWS account, 12 digits.
    pub account: String,
    /// The user or the assumed role.
    pub arn: String,
}

impl Cloud {
    /// Whose credentials are in use.
    ///
    /// # Errors
    /// Without valid credentials, or without an answer.
    pub async fn identity(&self) -> Result<Identity, CloudError> {
        const OPERATION: &str = "sts:GetCallerIdentity";
        let answer = self.sts.get_caller_identity().send().await.map_err(|e| CloudError::read(OPERATION, e))?;
        Ok(Identity {
            account: answer.account.ok_or_else(|| CloudError::incomplete(OPERATION, "account"))?,
            arn: answer.arn.ok_or_else(|| CloudError::incomplete(OPERATION, "ARN"))?,
        })
    }
}
