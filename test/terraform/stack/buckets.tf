# Buckets as people set them, and objects in them.
resource "aws_s3_bucket" "site" {
  bucket        = "stack-site-${data.aws_caller_identity.me.account_id}"
  force_destroy = true
  tags          = { step = var.step }
}

resource "aws_s3_bucket_versioning" "site" {
  bucket = aws_s3_bucket.site.id
  versioning_configuration { status = var.step == 1 ? "Enabled" : "Suspended" }
}

resource "aws_s3_bucket_ownership_controls" "site" {
  bucket = aws_s3_bucket.site.id
  rule { object_ownership = var.step == 1 ? "BucketOwnerEnforced" : "BucketOwnerPreferred" }
}

resource "aws_s3_bucket_public_access_block" "site" {
  bucket                  = aws_s3_bucket.site.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = var.step == 1
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.step == 1 ? "AES256" : "aws:kms"
      kms_master_key_id = var.step == 1 ? null : aws_kms_key.site.arn
    }
    bucket_key_enabled = var.step == 2
  }
}

resource "aws_kms_key" "site" {
  description             = "the objects of the stack"
  deletion_window_in_days = 7
}

resource "aws_s3_bucket_lifecycle_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  rule {
    id     = "logs"
    status = "Enabled"
    filter { prefix = "logs/" }
    expiration { days = 30 * var.step }
    noncurrent_version_expiration {
      noncurrent_days           = 7
      newer_noncurrent_versions = 2
    }
  }
  rule {
    id     = "uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 3 }
  }
}

resource "aws_s3_bucket_cors_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  cors_rule {
    allowed_methods = var.step == 1 ? ["GET"] : ["GET", "PUT"]
    allowed_origins = ["https://stack.example.test"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 600
  }
}

data "aws_iam_policy_document" "site" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.site.arn, "${aws_s3_bucket.site.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = var.step == 1 ? ["192.0.2.0/24"] : ["192.0.2.0/24", "198.51.100.0/24"]
    }
  }
}

resource "aws_s3_bucket_policy" "site" {
  bucket     = aws_s3_bucket.site.id
  policy     = data.aws_iam_policy_document.site.json
  depends_on = [aws_s3_bucket_public_access_block.site]
}

resource "aws_s3_object" "page" {
  bucket        = aws_s3_bucket.site.id
  key           = "pages/index ${var.step}.html"
  content       = "<p>step ${var.step}"
  content_type  = "text/html"
  cache_control = "max-age=60"
  metadata      = { step = var.step }
  tags          = { kind = "page" }
  depends_on    = [aws_s3_bucket_versioning.site]
}
