//! Objects, in memory. By the time a request comes here it is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use s3s::dto::{
    Bucket, CommonPrefix, DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectAclInput, GetObjectAclOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, Owner, PutObjectAclInput, PutObjectAclOutput, PutObjectInput,
    PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use crate::server::State;

#[derive(Debug, Clone)]
struct Stored {
    content: Bytes,
    tag: String,
    modified: SystemTime,
    content_type: Option<String>,
}

/// All objects, by bucket and key.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: Mutex<BTreeMap<(String, String), Stored>>,
}

impl Store {
    pub(super) fn has(&self, bucket: &str, key: &str) -> bool {
        self.lock().contains_key(&(bucket.to_owned(), key.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, bucket: String, key: String) -> S3Result<Stored> {
        let found = self.lock().get(&(bucket, key)).cloned();
        found.ok_or_else(|| S3ErrorCode::NoSuchKey.into())
    }

    /// What of a bucket begins with the prefix; behind the delimiter, folded into common prefixes.
    fn list(&self, bucket: &str, prefix: &str, delimiter: Option<&str>) -> Listing {
        let mut listing = Listing::default();
        for ((in_bucket, key), stored) in self.lock().iter() {
            let Some(rest) = key.strip_prefix(prefix).filter(|_| in_bucket == bucket) else {
                continue;
            };
            match delimiter.and_then(|d| rest.find(d).map(|at| at + d.len())) {
                Some(end) => {
                    listing.prefixes.insert(format!("{prefix}{}", &rest[..end]));
                }
                None => listing.objects.push(Object {
                    key: Some(key.clone()),
                    size: Some(length(&stored.content)),
                    e_tag: Some(ETag::Strong(stored.tag.clone())),
                    last_modified: Some(Timestamp::from(stored.modified)),
                    ..Object::default()
                }),
            }
        }
        listing
    }
}

#[derive(Default)]
struct Listing {
    objects: Vec<Object>,
    prefixes: BTreeSet<String>,
}

impl Listing {
    fn common_prefixes(&self) -> Vec<CommonPrefix> {
        let prefixes = self.prefixes.iter().cloned();
        prefixes
            .map(|prefix| CommonPrefix { prefix: Some(prefix) })
            .collect()
    }
}

/// The operations. A list is answered whole: it has as many entries as there are.
pub(super) struct Objects {
    pub(super) state: Arc<State>,
    pub(super) store: Arc<Store>,
}

impl Objects {
    fn bucket(&self, name: &str) -> S3Result<&str> {
        match self.state.world.bucket(name) {
            Some((account, _)) => Ok(account),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let access_key = request.credentials.map(|c| c.access_key).unwrap_or_default();
        let account = self
            .state
            .sessions
            .of(&access_key)
            .map(|s| s.account)
            .unwrap_or_default();
        let account = self.state.world.accounts.get(&account);
        let buckets = account
            .into_iter()
            .flat_map(|account| account.buckets.keys())
            .map(|name| Bucket {
                name: Some(name.clone()),
                ..Bucket::default()
            });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        self.bucket(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let listing = self
            .store
            .list(&input.bucket, &prefix, input.delimiter.as_deref());
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(prefix),
            delimiter: input.delimiter,
            is_truncated: Some(false),
            common_prefixes: Some(listing.common_prefixes()),
            contents: Some(listing.objects),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.bucket(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let listing = self
            .store
            .list(&input.bucket, &prefix, input.delimiter.as_deref());
        let count = listing.objects.len() + listing.prefixes.len();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            delimiter: input.delimiter,
            is_truncated: Some(false),
            key_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
            common_prefixes: Some(listing.common_prefixes()),
            contents: Some(listing.objects),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.bucket(&request.input.bucket)?;
        let stored = self.store.get(request.input.bucket, request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(length(&stored.content)),
            content_type: stored.content_type,
            e_tag: Some(ETag::Strong(stored.tag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.bucket(&request.input.bucket)?;
        if request.input.range.is_some() {
            return Err(s3_error!(NotImplemented, "parts of objects are not served"));
        }
        let stored = self.store.get(request.input.bucket, request.input.key)?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(length(&stored.content)),
            content_type: stored.content_type,
            e_tag: Some(ETag::Strong(stored.tag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            body: Some(StreamingBlob::from(s3s::Body::from(stored.content))),
            ..GetObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.bucket(&input.bucket)?;
        let content = match input.body {
            None => Bytes::new(),
            Some(body) => {
                let whole: Result<BytesMut, _> = body
                    .try_fold(BytesMut::new(), |mut whole, chunk| async move {
                        whole.extend_from_slice(&chunk);
                        Ok(whole)
                    })
                    .await;
                whole
                    .map_err(|e| S3Error::with_source(S3ErrorCode::IncompleteBody, e))?
                    .freeze()
            }
        };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
        let tag: String = digest.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect();
        let stored = Stored {
            content,
            tag: tag.clone(),
            modified: self.state.clock.now().into(),
            content_type: input.content_type,
        };
        self.store.lock().insert((input.bucket, input.key), stored);
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(tag)),
            ..PutObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.bucket(&request.input.bucket)?;
        self.store
            .lock()
            .remove(&(request.input.bucket, request.input.key));
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let account = self.bucket(&request.input.bucket)?.to_owned();
        self.store.get(request.input.bucket, request.input.key)?;
        Ok(S3Response::new(GetObjectAclOutput {
            owner: Some(Owner {
                id: Some(account),
                ..Owner::default()
            }),
            grants: Some(Vec::new()),
            ..GetObjectAclOutput::default()
        }))
    }

    /// An ACL is taken and not kept: policies alone decide here.
    async fn put_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        self.bucket(&request.input.bucket)?;
        self.store.get(request.input.bucket, request.input.key)?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }
}

fn length(content: &Bytes) -> i64 {
    i64::try_from(content.len()).unwrap_or(i64::MAX)
}
