resource "aws_ssm_parameter" "text" {
  name            = "/terraform/text"
  description     = "step ${var.step}"
  type            = "String"
  value           = "value ${var.step}"
  allowed_pattern = "^value [0-9]$"
  tags            = { step = var.step }
}

resource "aws_ssm_parameter" "list" {
  name           = "/terraform/list"
  type           = "StringList"
  insecure_value = "a,b,${var.step}"
}

resource "aws_ssm_parameter" "secret" {
  name  = "/terraform/secret"
  type  = "SecureString"
  value = "secret ${var.step}"
}

resource "aws_ssm_parameter" "advanced" {
  name   = "/terraform/advanced"
  type   = "SecureString"
  tier   = "Advanced"
  key_id = aws_kms_key.it.arn
  value  = "advanced ${var.step}"
}

resource "aws_ssm_parameter" "image" {
  name      = "terraform-image"
  type      = "String"
  data_type = "text"
  tier      = "Intelligent-Tiering"
  value     = "x${var.step}"
  lifecycle {
    ignore_changes = [tier] # which one it became
  }
}

resource "aws_kms_key" "it" {
  description             = "of parameters"
  deletion_window_in_days = 7
}

data "aws_ssm_parameter" "it" {
  name       = aws_ssm_parameter.secret.name
  depends_on = [aws_ssm_parameter.secret]
}

data "aws_ssm_parameters_by_path" "it" {
  path       = "/terraform"
  recursive  = true
  depends_on = [aws_ssm_parameter.text, aws_ssm_parameter.list, aws_ssm_parameter.secret, aws_ssm_parameter.advanced]
}

output "imports" {
  value = {
    "aws_ssm_parameter.text"     = aws_ssm_parameter.text.name
    "aws_ssm_parameter.secret"   = aws_ssm_parameter.secret.name
    "aws_ssm_parameter.advanced" = aws_ssm_parameter.advanced.name
    "aws_ssm_parameter.image"    = aws_ssm_parameter.image.name
    "aws_kms_key.it"             = aws_kms_key.it.key_id
  }
}
