data "aws_caller_identity" "me" {}

resource "aws_s3_bucket" "it" {
  bucket = "terraform-it-${data.aws_caller_identity.me.account_id}"
  tags   = { step = var.step }
}

resource "aws_s3_bucket" "prefixed" {
  bucket_prefix = "terraform-"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "it" {
  bucket = aws_s3_bucket.it.id
  versioning_configuration {
    status = var.step == 1 ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_ownership_controls" "it" {
  bucket = aws_s3_bucket.it.id
  rule {
    object_ownership = var.step == 1 ? "BucketOwnerPreferred" : "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "it" {
  bucket                  = aws_s3_bucket.it.id
  block_public_acls       = true
  ignore_public_acls      = var.step == 1
  block_public_policy     = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "it" {
  bucket = aws_s3_bucket.it.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.step == 1 ? "AES256" : "aws:kms"
      kms_master_key_id = var.step == 1 ? null : aws_kms_key.it.arn
    }
    bucket_key_enabled = var.step == 2
  }
}

resource "aws_kms_key" "it" {
  description             = "of objects"
  deletion_window_in_days = 7
}

resource "aws_s3_bucket_lifecycle_configuration" "it" {
  bucket                                 = aws_s3_bucket.it.id
  transition_default_minimum_object_size = "varies_by_storage_class"
  rule {
    id     = "all"
    status = "Enabled"
    filter {
      and {
        prefix                   = "logs/"
        object_size_greater_than = 100 * var.step
        tags                     = { kind = "log", step = "any" }
      }
    }
    expiration {
      days = 30 * var.step
    }
  }
  rule {
    id     = "versions"
    status = var.step == 1 ? "Enabled" : "Disabled"
    filter {
      prefix = "old/"
    }
    expiration {
      expired_object_delete_marker = true
    }
    noncurrent_version_expiration {
      noncurrent_days           = 7
      newer_noncurrent_versions = 2
    }
  }
  rule {
    id     = "uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }
  depends_on = [aws_s3_bucket_versioning.it]
}

resource "aws_s3_bucket_cors_configuration" "it" {
  bucket = aws_s3_bucket.it.id
  cors_rule {
    id              = "site"
    allowed_methods = var.step == 1 ? ["GET"] : ["GET", "PUT", "POST"]
    allowed_origins = ["https://*.example.test"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 600 * var.step
  }
}

resource "aws_s3_bucket_policy" "it" {
  bucket = aws_s3_bucket.it.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "step${var.step}", Effect = "Allow", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }, Action = "s3:GetObject", Resource = "${aws_s3_bucket.it.arn}/*" }]
  })
  depends_on = [aws_s3_bucket_public_access_block.it]
}
