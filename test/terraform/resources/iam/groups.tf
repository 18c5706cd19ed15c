resource "aws_iam_group" "it" {
  name = "terraform-group-${var.step}"
  path = var.step == 1 ? "/" : "/changed/"
}

resource "aws_iam_group_policy" "it" {
  name   = "inline"
  group  = aws_iam_group.it.name
  policy = data.aws_iam_policy_document.it.json
}

resource "aws_iam_group_policy_attachment" "it" {
  group      = aws_iam_group.it.name
  policy_arn = aws_iam_policy.it.arn
}

resource "aws_iam_group" "other" {
  name = "terraform-other"
}

resource "aws_iam_group_policy" "exclusive" {
  name   = "exclusive"
  group  = aws_iam_group.other.name
  policy = data.aws_iam_policy_document.it.json
}

resource "aws_iam_group_policies_exclusive" "it" {
  group_name   = aws_iam_group.other.name
  policy_names = [aws_iam_group_policy.exclusive.name]
}

resource "aws_iam_group_policy_attachments_exclusive" "it" {
  group_name  = aws_iam_group.other.name
  policy_arns = var.step == 1 ? [aws_iam_policy.it.arn] : []
}

resource "aws_iam_group_membership" "it" {
  name  = "members"
  group = aws_iam_group.it.name
  users = var.step == 1 ? [aws_iam_user.it.name] : [aws_iam_user.it.name, aws_iam_user.exclusive.name]
}

resource "aws_iam_user_group_membership" "it" {
  user   = aws_iam_user.it.name
  groups = [aws_iam_group.other.name]
}
