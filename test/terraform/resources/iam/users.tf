resource "aws_iam_user" "it" {
  name                 = "terraform-user-${var.step}" # renamed; the provider can't change tags in the same step
  path                 = var.step == 1 ? "/people/" : "/people/changed/"
  permissions_boundary = var.step == 1 ? aws_iam_policy.it.arn : null
  force_destroy        = true
  tags                 = { of = "a user: with/all+the_signs=@." }
}

resource "aws_iam_user_policy" "it" {
  name   = "inline"
  user   = aws_iam_user.it.name
  policy = data.aws_iam_policy_document.it.json
}

resource "aws_iam_user_policy_attachment" "it" {
  user       = aws_iam_user.it.name
  policy_arn = var.step == 1 ? aws_iam_policy.it.arn : "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_user" "exclusive" {
  name = "terraform-exclusive"
  tags = { step = var.step }
}

resource "aws_iam_user_policy" "exclusive" {
  name   = "exclusive"
  user   = aws_iam_user.exclusive.name
  policy = data.aws_iam_policy_document.it.json
}

resource "aws_iam_user_policies_exclusive" "it" {
  user_name    = aws_iam_user.exclusive.name
  policy_names = [aws_iam_user_policy.exclusive.name]
}

resource "aws_iam_user_policy_attachment" "exclusive" {
  user       = aws_iam_user.exclusive.name
  policy_arn = aws_iam_policy.it.arn
}

resource "aws_iam_user_policy_attachments_exclusive" "it" {
  user_name   = aws_iam_user.exclusive.name
  policy_arns = [aws_iam_user_policy_attachment.exclusive.policy_arn]
}

resource "aws_iam_access_key" "it" {
  user   = aws_iam_user.exclusive.name
  status = var.step == 1 ? "Active" : "Inactive"
}

resource "aws_iam_user_login_profile" "it" {
  user                    = aws_iam_user.exclusive.name
  password_length         = 24
  password_reset_required = true
}
