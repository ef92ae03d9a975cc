//! Buckets of a dev cloud for code in the same process: made in one line, used through object_store.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ObjectStore, RetryConfig};

use super::model;
use super::{DevCloud, DevError};

impl DevCloud {
    /// A bucket of the dev cloud's own account as an object store, made where it is missing. Conditional puts are on,
    /// and nothing is repeated: as a journal has its bucket.
    ///
    /// # Errors
    /// The name cannot be a bucket's, or it is one of another account or region.
    pub fn bucket(&self, region: &str, name: &str) -> Result<Arc<dyn ObjectStore>, DevError> {
        let failed = |why: String| DevError::Bucket { name: name.to_owned(), why };
        model::make_bucket(&self.cloud, region, name).map_err(failed)?;
        let (key, secret) = self.cloud.access.own_credentials();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(region)
            .with_endpoint(self.url())
            .with_allow_http(true)
            .with_access_key_id(key)
            .with_secret_access_key(secret)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        if let Some(connector) = self.object_store_connector() {
            builder = builder.with_http_connector(connector);
        }
        Ok(Arc::new(builder.build().map_err(|error| failed(error.to_string()))?))
    }
}
