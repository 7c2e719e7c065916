"""Calls to DynamoDB and S3: signed, sent over a kept connection, and without the AWS SDK."""
