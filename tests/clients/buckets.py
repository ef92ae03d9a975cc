"""S3 as boto3 speaks it: checksums, transfers in parts, pages, versions, presigned requests, redirects, refusals."""

import io
import os
import urllib.request

import strict
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = os.environ["ENDPOINT"]
options = {"config": Config(retries={"max_attempts": 1}, signature_version="s3v4")}
s3 = strict.client("s3", endpoint, **options)


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "ok"


here = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
assert code(s3.create_bucket, Bucket="shop-boto") == ("IllegalLocationConstraintException", 400)
s3.create_bucket(Bucket="shop-boto", **here)
assert code(s3.create_bucket, Bucket="shop-boto", **here) == ("BucketAlreadyOwnedByYou", 409)
assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["shop-boto"]
assert s3.get_bucket_location(Bucket="shop-boto")["LocationConstraint"] == "eu-west-1"
of = {"Bucket": "shop-boto"}

# What is written comes back, with its attributes.
odd = "a/b c+ü&.txt"
put = s3.put_object(**of, Key=odd, Body=b"hello world", Metadata={"color": "blue"}, ContentType="text/plain", Tagging="x=1")
assert put["ETag"] == '"5eb63bbbe01eeed093cb22bb8f5acdc3"'
got = s3.get_object(**of, Key=odd)
assert (got["Body"].read(), got["Metadata"], got["ContentType"], got["TagCount"]) == (
    b"hello world", {"color": "blue"}, "text/plain", 1)
assert s3.get_object(**of, Key=odd, Range="bytes=6-")["Body"].read() == b"world"
assert code(s3.get_object, **of, Key=odd, Range="bytes=60-") == ("InvalidRange", 416)
assert code(s3.get_object, **of, Key=odd, IfNoneMatch=put["ETag"]) == ("304", 304)
assert code(s3.get_object, **of, Key=odd, IfMatch='"other"') == ("PreconditionFailed", 412)
assert code(s3.head_object, **of, Key="gone") == ("404", 404)
s3.copy_object(**of, Key="copy", CopySource={"Bucket": "shop-boto", "Key": odd})
assert s3.get_object_tagging(**of, Key="copy")["TagSet"] == [{"Key": "x", "Value": "1"}]

# Conditions; an empty body makes botocore wait for "100 Continue".
for body in (b"one", b""):
    assert code(s3.put_object, **of, Key=f"lock-{len(body)}", Body=body, IfNoneMatch="*") == "ok"
    assert code(s3.put_object, **of, Key=f"lock-{len(body)}", Body=body, IfNoneMatch="*") == ("PreconditionFailed", 412)
assert code(s3.put_object, **of, Key="gone", Body=b"x", IfMatch='"x"') == ("NoSuchKey", 404)
assert code(s3.delete_object, **of, Key="lock-3", IfMatch='"x"') == ("PreconditionFailed", 412)
assert code(s3.put_object, **of, Key="x", Body=b"y", ChecksumSHA256="AAAA") == ("BadDigest", 400)

# Pages, in both versions.
for n in range(5):
    s3.put_object(**of, Key=f"d/{n}", Body=b"x")
for operation in ("list_objects", "list_objects_v2"):
    pages = s3.get_paginator(operation).paginate(**of, PaginationConfig={"PageSize": 3})
    keys = [each["Key"] for page in pages for each in page["Contents"]]
    assert keys == [odd, "copy", *(f"d/{n}" for n in range(5)), "lock-0", "lock-3"], keys
    page = getattr(s3, operation)(**of, Delimiter="/")
    assert [each["Prefix"] for each in page["CommonPrefixes"]] == ["a/", "d/"]
gone = s3.delete_objects(**of, Delete={"Objects": [{"Key": "d/0"}, {"Key": "never"}]})
assert [each["Key"] for each in gone["Deleted"]] == ["d/0", "never"]

# Uploads in parts, by hand and by the transfer manager.
upload = s3.create_multipart_upload(**of, Key="big")["UploadId"]
of_upload = {**of, "Key": "big", "UploadId": upload}
parts = [s3.upload_part(**of_upload, PartNumber=n, Body=body)["ETag"] for n, body in [(1, b"a" * 5 * 2**20), (2, b"b")]]
listed = {"Parts": [{"PartNumber": n + 1, "ETag": tag} for n, tag in enumerate(parts)]}
assert len(s3.list_parts(**of_upload)["Parts"]) == 2 and len(s3.list_multipart_uploads(**of)["Uploads"]) == 1
done = s3.complete_multipart_upload(**of_upload, MultipartUpload=listed, IfNoneMatch="*")
assert done["ETag"].endswith('-2"')
assert s3.get_object(**of, Key="big", PartNumber=2)["Body"].read() == b"b"
assert code(s3.complete_multipart_upload, **of_upload, MultipartUpload=listed) == ("NoSuchUpload", 404)
s3.upload_fileobj(io.BytesIO(b"z" * 9 * 2**20), "shop-boto", "huge")
back = io.BytesIO()
s3.download_fileobj("shop-boto", "huge", back)
assert back.getvalue() == b"z" * 9 * 2**20

# Versions.
s3.put_bucket_versioning(**of, VersioningConfiguration={"Status": "Enabled"})
first, second = (s3.put_object(**of, Key="v", Body=body)["VersionId"] for body in (b"1", b"2"))
marker = s3.delete_object(**of, Key="v")["VersionId"]
assert code(s3.get_object, **of, Key="v") == ("NoSuchKey", 404)
assert code(s3.get_object, **of, Key="v", VersionId=marker) == ("MethodNotAllowed", 405)
assert s3.get_object(**of, Key="v", VersionId=first)["Body"].read() == b"1"
seen = s3.list_object_versions(**of, Prefix="v")
assert [each["VersionId"] for each in seen["Versions"]] == [second, first] and seen["DeleteMarkers"][0]["IsLatest"]
s3.delete_object(**of, Key="v", VersionId=marker)
assert s3.get_object(**of, Key="v")["Body"].read() == b"2"

# Presigned, with what would be headers in the query string.
url = s3.generate_presigned_url("get_object", Params={**of, "Key": "copy"})
assert urllib.request.urlopen(url).read() == b"hello world"
url = s3.generate_presigned_url("put_object", Params={**of, "Key": "given", "ContentType": "text/x"})
urllib.request.urlopen(urllib.request.Request(url, data=b"pp", method="PUT", headers={"Content-Type": "text/x"}))
assert s3.get_object(**of, Key="given")["ContentType"] == "text/x"

# botocore follows a bucket into its region.
assert strict.client("s3", endpoint, region="us-west-2", **options).get_object(**of, Key="given")["Body"].read() == b"pp"
assert code(strict.client("s3", endpoint, account="222222222222", **options).get_object, **of, Key="given")[1] == 403

# What cannot be set here can be read, and setting it is refused by name.
for read, expected in [
    (s3.get_bucket_policy, "NoSuchBucketPolicy"), (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
    (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
    (s3.get_bucket_website, "NoSuchWebsiteConfiguration"), (s3.get_bucket_tagging, "NoSuchTagSet"),
    (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
    (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    (s3.get_bucket_acl, None), (s3.get_bucket_encryption, None), (s3.get_public_access_block, None),
    (s3.get_bucket_ownership_controls, None), (s3.get_bucket_logging, None), (s3.get_bucket_request_payment, None),
    (s3.get_bucket_accelerate_configuration, None),
]:
    assert code(read, **of) == ((expected, 404) if expected else "ok"), read
try:
    s3.put_bucket_policy(**of, Policy="{}")
except ClientError as error:
    assert error.response["Error"]["Code"] == "NotImplemented" and "PutBucketPolicy" in str(error)
else:
    raise SystemExit("a bucket policy was taken")
assert code(s3.delete_bucket, **of) == ("BucketNotEmpty", 409)
strict.report()
