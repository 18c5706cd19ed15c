resource "aws_iam_account_alias" "it" {
  account_alias = "terraform-alias-${var.step}"
}

resource "aws_iam_account_password_policy" "it" {
  minimum_password_length        = 8 + var.step
  require_lowercase_characters   = true
  require_numbers                = true
  require_uppercase_characters   = true
  require_symbols                = var.step == 1
  allow_users_to_change_password = true
  password_reuse_prevention      = 3
  max_password_age               = 90
}
