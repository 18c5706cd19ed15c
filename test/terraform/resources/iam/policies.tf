data "aws_iam_policy_document" "it" {
  statement {
    sid       = "Read"
    actions   = var.step == 1 ? ["s3:GetObject"] : ["s3:GetObject", "s3:ListBucket"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["us-west-2", "us-east-1"]
    }
  }
}

resource "aws_iam_policy" "it" {
  name        = "terraform-policy"
  path        = "/of/terraform/"
  description = "what people read"
  policy      = data.aws_iam_policy_document.it.json
  tags        = { step = var.step }
}

resource "aws_iam_policy" "attached" {
  name   = "terraform-attached"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = ["iam:*", "sts:*"], Resource = "*" }] })
}

resource "aws_iam_policy_attachment" "it" {
  name       = "attached"
  policy_arn = aws_iam_policy.attached.arn
  users      = [aws_iam_user.it.name]
  roles      = var.step == 1 ? [aws_iam_role.named.name] : []
  groups     = [aws_iam_group.it.name]
}
