//! Which actions of policies an operation of S3 needs, and of what.

use http::{HeaderMap, Uri};
use s3s::path::S3Path;

use crate::policy::Context;

/// One action and the ARN of what it acts on.
pub(super) type Need = (&'static str, String);

/// What an operation needs; nothing if it is not served here.
pub(super) fn needs(operation: &str, path: &S3Path, headers: &HeaderMap) -> Vec<Need> {
    let bucket = |action| match path {
        S3Path::Bucket { bucket } => vec![(action, format!("arn:aws:s3:::{bucket}"))],
        _ => Vec::new(),
    };
    let object = |action| match path {
        S3Path::Object { bucket, key } => vec![(action, format!("arn:aws:s3:::{bucket}/{key}"))],
        _ => Vec::new(),
    };
    match operation {
        "ListBuckets" => vec![("s3:ListAllMyBuckets", "*".to_owned())],
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => bucket("s3:ListBucket"),
        "GetObject" | "HeadObject" => object("s3:GetObject"),
        "GetObjectAcl" => object("s3:GetObjectAcl"),
        "PutObjectAcl" => object("s3:PutObjectAcl"),
        "DeleteObject" => object("s3:DeleteObject"),
        "PutObject" => {
            let mut needs = object("s3:PutObject");
            if headers.contains_key("x-amz-acl") {
                needs.extend(object("s3:PutObjectAcl"));
            }
            needs
        }
        _ => Vec::new(),
    }
}

/// What conditions may ask for of a request.
pub(super) fn context(uri: &Uri) -> Context {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "prefix")
        .map(|(_, value)| ("s3:prefix".to_owned(), vec![value.into_owned()]))
        .collect()
}
