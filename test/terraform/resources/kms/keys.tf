resource "aws_kms_key" "it" {
  description             = "step ${var.step}"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  rotation_period_in_days = var.step == 1 ? 365 : 180
  policy                  = data.aws_iam_policy_document.it.json
  tags                    = { step = var.step }
}

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "it" {
  statement {
    sid       = "Enable IAM User Permissions"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "signing" {
  description              = "signs"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = 7
}

resource "aws_kms_key" "mac" {
  description              = "makes MACs"
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
  deletion_window_in_days  = 7
  is_enabled               = var.step == 1
}

resource "aws_kms_key_policy" "it" {
  key_id = aws_kms_key.signing.id
  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "step${var.step}"
    Statement = [{
      Sid       = "All"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "it" {
  name          = "alias/terraform/it"
  target_key_id = var.step == 1 ? aws_kms_key.it.key_id : aws_kms_key.other.key_id
}

resource "aws_kms_key" "other" {
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "prefixed" {
  name_prefix   = "alias/terraform-"
  target_key_id = aws_kms_key.it.arn
}

resource "aws_iam_role" "it" {
  name               = "terraform-grantee"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }] })
}

resource "aws_kms_grant" "it" {
  name              = "terraform"
  key_id            = aws_kms_key.it.key_id
  grantee_principal = aws_iam_role.it.arn
  operations        = var.step == 1 ? ["Encrypt", "Decrypt"] : ["Encrypt", "Decrypt", "GenerateDataKey"]
  constraints {
    encryption_context_equals = { Department = "Finance" }
  }
}

resource "aws_kms_ciphertext" "it" {
  key_id    = aws_kms_key.it.key_id
  plaintext = "step ${var.step}"
  context   = { "for" = "terraform" }
}

data "aws_kms_key" "it" {
  key_id     = "alias/terraform/it"
  depends_on = [aws_kms_alias.it]
}

data "aws_kms_alias" "it" {
  name       = aws_kms_alias.it.name
  depends_on = [aws_kms_alias.it]
}

data "aws_kms_public_key" "it" {
  key_id = aws_kms_key.signing.key_id
}

data "aws_kms_ciphertext" "it" {
  key_id    = aws_kms_key.it.key_id
  plaintext = "read"
}

data "aws_kms_secrets" "it" {
  secret {
    name    = "it"
    payload = aws_kms_ciphertext.it.ciphertext_blob
    context = { "for" = "terraform" }
  }
  lifecycle {
    postcondition {
      condition     = self.plaintext["it"] == "step ${var.step}"
      error_message = "another text is deciphered"
    }
  }
}

output "imports" {
  value = {
    "aws_kms_key.it"         = aws_kms_key.it.key_id
    "aws_kms_key.signing"    = aws_kms_key.signing.key_id
    "aws_kms_key.mac"        = aws_kms_key.mac.key_id
    "aws_kms_key.other"      = aws_kms_key.other.key_id
    "aws_kms_key_policy.it"  = aws_kms_key.signing.key_id
    "aws_kms_alias.it"       = aws_kms_alias.it.name
    "aws_kms_alias.prefixed" = aws_kms_alias.prefixed.name
    "aws_kms_grant.it"       = aws_kms_grant.it.id
    "aws_iam_role.it"        = aws_iam_role.it.name
  }
}
