resource "aws_s3_object" "it" {
  bucket              = aws_s3_bucket.prefixed.id
  key                 = "pages/index.html"
  content             = "<p>step ${var.step}"
  content_type        = "text/html"
  content_language    = "en"
  content_disposition = "inline"
  cache_control       = "max-age=60"
  checksum_algorithm  = "SHA256"
  storage_class       = var.step == 1 ? "STANDARD" : "STANDARD_IA"
  metadata            = { step = var.step }
  tags                = { step = var.step }
}

resource "aws_s3_object" "file" {
  bucket      = aws_s3_bucket.it.id
  key         = "a b/ü+%.txt"
  source      = "${path.module}/objects.tf"
  source_hash = var.step
  etag        = filemd5("${path.module}/objects.tf")
  depends_on  = [aws_s3_bucket_ownership_controls.it]
  lifecycle {
    ignore_changes = [etag, server_side_encryption, kms_key_id, bucket_key_enabled] # the bucket's encryption changes
  }
}

resource "aws_s3_object_copy" "it" {
  bucket             = aws_s3_bucket.prefixed.id
  key                = "copy"
  source             = "${aws_s3_bucket.prefixed.id}/${aws_s3_object.it.key}"
  metadata_directive = "REPLACE"
  content_type       = "text/plain"
  metadata           = { copied = var.step }
  tags               = { step = var.step }
  tagging_directive  = "REPLACE"
}

data "aws_s3_bucket" "it" {
  bucket = aws_s3_bucket.it.id
}

data "aws_s3_bucket_policy" "it" {
  bucket     = aws_s3_bucket.it.id
  depends_on = [aws_s3_bucket_policy.it]
}

data "aws_s3_object" "it" {
  bucket        = aws_s3_bucket.prefixed.id
  key           = aws_s3_object.it.key
  checksum_mode = "ENABLED"
  depends_on    = [aws_s3_object.it]
  lifecycle {
    postcondition {
      condition     = self.body == "<p>step ${var.step}"
      error_message = "another object is read"
    }
  }
}

data "aws_s3_objects" "it" {
  bucket     = aws_s3_bucket.prefixed.id
  prefix     = "pages/"
  depends_on = [aws_s3_object.it]
}

data "aws_canonical_user_id" "it" {}

output "imports" {
  value = {
    "aws_s3_bucket.it"                                      = aws_s3_bucket.it.id
    "aws_s3_bucket.prefixed"                                = aws_s3_bucket.prefixed.id
    "aws_s3_bucket_versioning.it"                           = aws_s3_bucket.it.id
    "aws_s3_bucket_ownership_controls.it"                   = aws_s3_bucket.it.id
    "aws_s3_bucket_public_access_block.it"                  = aws_s3_bucket.it.id
    "aws_s3_bucket_server_side_encryption_configuration.it" = aws_s3_bucket.it.id
    "aws_s3_bucket_lifecycle_configuration.it"              = aws_s3_bucket.it.id
    "aws_s3_bucket_cors_configuration.it"                   = aws_s3_bucket.it.id
    "aws_s3_bucket_policy.it"                               = aws_s3_bucket.it.id
    "aws_s3_object.it"                                      = "${aws_s3_bucket.prefixed.id}/${aws_s3_object.it.key}"
    "aws_kms_key.it"                                        = aws_kms_key.it.key_id
  }
}
