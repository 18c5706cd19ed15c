resource "aws_secretsmanager_secret" "it" {
  name                    = "terraform/secret"
  description             = "step ${var.step}"
  kms_key_id              = var.step == 1 ? null : aws_kms_key.it.arn
  recovery_window_in_days = 0
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "step${var.step}", Effect = "Allow", Principal = { AWS = data.aws_caller_identity.me.account_id }, Action = "secretsmanager:GetSecretValue", Resource = "*" }]
  })
  tags = { step = var.step }
}

resource "aws_secretsmanager_secret" "other" {
  name_prefix             = "terraform/other-"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_policy" "it" {
  secret_arn = aws_secretsmanager_secret.other.arn
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "step${var.step}", Effect = "Allow", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }, Action = "secretsmanager:*", Resource = "*" }]
  })
}

resource "aws_secretsmanager_secret_version" "text" {
  secret_id     = aws_secretsmanager_secret.it.id
  secret_string = jsonencode({ user = "app", step = var.step })
}

resource "aws_secretsmanager_secret_version" "binary" {
  secret_id      = aws_secretsmanager_secret.other.id
  secret_binary  = base64encode("step ${var.step}")
  version_stages = var.step == 1 ? ["AWSCURRENT", "first"] : ["AWSCURRENT", "second"]
}

resource "aws_kms_key" "it" {
  description             = "of secrets"
  deletion_window_in_days = 7
}

data "aws_caller_identity" "me" {}

data "aws_secretsmanager_random_password" "it" {
  password_length            = 40
  exclude_punctuation        = true
  require_each_included_type = true
}

data "aws_secretsmanager_secret" "it" {
  name       = aws_secretsmanager_secret.it.name
  depends_on = [aws_secretsmanager_secret_version.text]
}

data "aws_secretsmanager_secrets" "it" {
  filter {
    name   = "name"
    values = ["terraform/"]
  }
  depends_on = [aws_secretsmanager_secret.it, aws_secretsmanager_secret.other]
}

data "aws_secretsmanager_secret_version" "it" {
  secret_id  = aws_secretsmanager_secret.it.id
  depends_on = [aws_secretsmanager_secret_version.text]
  lifecycle {
    postcondition {
      condition     = jsondecode(self.secret_string).step == var.step
      error_message = "another version is current"
    }
  }
}

data "aws_secretsmanager_secret_versions" "it" {
  secret_id  = aws_secretsmanager_secret.it.id
  depends_on = [aws_secretsmanager_secret_version.text]
}

output "imports" {
  value = {
    "aws_secretsmanager_secret.it"             = aws_secretsmanager_secret.it.arn
    "aws_secretsmanager_secret.other"          = aws_secretsmanager_secret.other.arn
    "aws_secretsmanager_secret_policy.it"      = aws_secretsmanager_secret.other.arn
    "aws_secretsmanager_secret_version.text"   = aws_secretsmanager_secret_version.text.id
    "aws_secretsmanager_secret_version.binary" = aws_secretsmanager_secret_version.binary.id
    "aws_kms_key.it"                           = aws_kms_key.it.key_id
  }
}
