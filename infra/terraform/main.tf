# What Témoin needs of AWS when it is grown: a bucket for evidence, one for the published log under Object Lock, PostgreSQL in two zones,
# and a user that may do what src/blobs/s3 does and nothing else. The servers are yours to choose (infra/kubernetes, infra/systemd).
# No secret goes through Terraform's state: AWS keeps the database's password, and the user's key is made beside (outputs.tf).
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = "temoin" }
  }
}

# Evidence: originals and the pictures made of them.
resource "aws_s3_bucket" "evidence" {
  bucket = var.evidence_bucket

  lifecycle {
    prevent_destroy = true
  }
}

# The published log: checkpoints and entries, written once. Best in another account, run by other people; then its policy has to name the
# user below. Témoin locks each file itself for as long as lock_days says (compliance mode: not even the account's owner takes it away).
resource "aws_s3_bucket" "published" {
  bucket              = var.published_bucket
  object_lock_enabled = true

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  buckets = {
    evidence  = aws_s3_bucket.evidence
    published = aws_s3_bucket.published
  }
}

# What somebody overwrites or deletes behind Témoin's back is still there. An erasure that was agreed to takes every version.
resource "aws_s3_bucket_versioning" "all" {
  for_each = local.buckets
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# With S3's own keys: a key of ours would be one more thing that, lost, loses all evidence. Put aws:kms here where it is demanded, and
# kms:GenerateDataKey and kms:Decrypt to the user's rights.
resource "aws_s3_bucket_server_side_encryption_configuration" "all" {
  for_each = local.buckets
  bucket   = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "all" {
  for_each                = local.buckets
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "tls_only" {
  for_each = local.buckets
  bucket   = each.value.id
  policy   = data.aws_iam_policy_document.tls_only[each.key].json
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Témoin sweeps after itself; this is for the day when it never runs again. Blobs have no rule: old versions of theirs may be all that is
# left of evidence.
resource "aws_s3_bucket_lifecycle_configuration" "evidence" {
  bucket     = aws_s3_bucket.evidence.id
  depends_on = [aws_s3_bucket_versioning.all]

  # Parts of files that were never finished.
  rule {
    id     = "half-sent"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.half_sent_days
    }
  }

  # Ends of half-sent files: removed as soon as more has come, and then of no use to anybody.
  rule {
    id     = "staging"
    status = "Enabled"

    filter {
      prefix = "staging/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }

    expiration {
      expired_object_delete_marker = true
    }
  }
}

# What src/blobs/s3 calls, and nothing else. Témoin takes keys from the environment at its start and does not renew them: a role's
# would end after hours, so this is a user.
resource "aws_iam_user" "temoin" {
  name = "temoin"
}

resource "aws_iam_user_policy" "temoin" {
  name   = "buckets"
  user   = aws_iam_user.temoin.name
  policy = data.aws_iam_policy_document.temoin.json
}

data "aws_iam_policy_document" "temoin" {
  statement {
    sid = "Evidence"
    actions = [
      "s3:ListBucket",                 # HeadBucket, ListObjectsV2; and 404 instead of 403 for what is not there
      "s3:ListBucketMultipartUploads", # the sweep of half-sent files
      "s3:ListBucketVersions",         # an erasure takes every version
      "s3:GetBucketVersioning",        # what the store really does, tried out at the start
    ]
    resources = [aws_s3_bucket.evidence.arn]
  }

  statement {
    sid = "EvidenceObjects"
    actions = [
      "s3:PutObject",            # also CreateMultipartUpload, UploadPart, CompleteMultipartUpload
      "s3:GetObject",            # also HeadObject
      "s3:AbortMultipartUpload", # a witness gives up; the sweep
      "s3:DeleteObject",         # ends of half-sent files; an erasure
      "s3:DeleteObjectVersion",  # an erasure
    ]
    resources = ["${aws_s3_bucket.evidence.arn}/*"]
  }

  # The log is written and read, never removed: no right to delete.
  statement {
    sid = "Published"
    actions = [
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads", # this and the next two: tried out at the start
      "s3:ListBucketVersions",
      "s3:GetBucketVersioning",
      "s3:GetBucketObjectLockConfiguration", # lock_days is refused where there is no lock
    ]
    resources = [aws_s3_bucket.published.arn]
  }

  statement {
    sid = "PublishedObjects"
    actions = [
      "s3:PutObject",
      "s3:PutObjectRetention", # the lock comes with the object
      "s3:GetObject",
    ]
    resources = ["${aws_s3_bucket.published.arn}/*"]
  }

  # Written at the start to see what the store does, and removed.
  statement {
    sid       = "PublishedProbe"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"] # the bucket keeps versions
    resources = ["${aws_s3_bucket.published.arn}/staging/probe-*"]
  }
}

# PostgreSQL in two zones: a commit is on both before it is acknowledged.
resource "aws_db_instance" "temoin" {
  identifier     = "temoin"
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.database_class
  db_name        = "temoin"
  username       = "temoin"

  # Made and kept by AWS; outputs.tf says where.
  manage_master_user_password = true

  multi_az              = true
  storage_type          = "gp3"
  storage_encrypted     = true
  allocated_storage     = 100 # GB; it grows by itself, media are not in it
  max_allocated_storage = 1000

  parameter_group_name   = aws_db_parameter_group.temoin.name
  db_subnet_group_name   = aws_db_subnet_group.temoin.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false

  # What was erased lives on in these until they go: a week, not longer.
  backup_retention_period   = 7
  delete_automated_backups  = true
  copy_tags_to_snapshot     = true
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "temoin-last"

  auto_minor_version_upgrade = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_db_parameter_group" "temoin" {
  name   = "temoin-postgres17"
  family = "postgres17"

  # TLS or nothing. fsync and synchronous_commit are left on, or Témoin refuses to start.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_subnet_group" "temoin" {
  name       = "temoin"
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "database" {
  name        = "temoin-database"
  description = "PostgreSQL, for the servers that run Temoin"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = var.servers_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
