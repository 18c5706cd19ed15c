data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = var.step == 1 ? ["ecs-tasks.amazonaws.com"] : ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "it" {
  name                  = "terraform-role"
  path                  = "/of/terraform/"
  description           = "step ${var.step}"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  max_session_duration  = 3600 * var.step
  permissions_boundary  = var.step == 1 ? null : aws_iam_policy.it.arn
  force_detach_policies = true
  tags                  = { step = var.step }
}

resource "aws_iam_role" "named" {
  name_prefix = "terraform-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.it.arn }
      Condition = { StringEquals = { "issuer.example.test:aud" = "skylift" } }
    }]
  })
}

resource "aws_iam_role_policy" "it" {
  name   = "inline"
  role   = aws_iam_role.it.id
  policy = data.aws_iam_policy_document.it.json
}

resource "aws_iam_role_policies_exclusive" "it" {
  role_name    = aws_iam_role.it.name
  policy_names = [aws_iam_role_policy.it.name]
}

resource "aws_iam_role_policy_attachment" "it" {
  role       = aws_iam_role.it.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy_attachments_exclusive" "it" {
  role_name   = aws_iam_role.it.name
  policy_arns = [aws_iam_role_policy_attachment.it.policy_arn]
}

resource "aws_iam_instance_profile" "it" {
  name = "terraform-profile"
  path = "/of/terraform/"
  role = var.step == 1 ? aws_iam_role.it.name : aws_iam_role.named.name
  tags = { step = var.step }
}

resource "aws_iam_service_linked_role" "it" {
  aws_service_name = "ssm.amazonaws.com"
  description      = "step ${var.step}"
}

resource "aws_iam_openid_connect_provider" "it" {
  url             = "https://issuer.example.test"
  client_id_list  = var.step == 1 ? ["skylift"] : ["skylift", "second"]
  thumbprint_list = [var.step == 1 ? "9e99a48a9960b14926bb7f3b02e22da2b0ab7280" : "6938fd4d98bab03faadb97b34396831e3780aea1"]
  tags            = { step = var.step }
}
