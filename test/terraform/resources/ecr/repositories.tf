resource "aws_ecr_repository" "it" {
  name                 = "terraform/it"
  image_tag_mutability = var.step == 1 ? "MUTABLE" : "IMMUTABLE"
  force_delete         = true
  encryption_configuration {
    encryption_type = "AES256"
  }
  image_scanning_configuration {
    scan_on_push = var.step == 1
  }
  tags = { step = var.step }
}

resource "aws_ecr_repository" "plain" {
  name = "terraform/plain"
}

resource "aws_ecr_lifecycle_policy" "it" {
  repository = aws_ecr_repository.it.name
  policy     = data.aws_ecr_lifecycle_policy_document.it.json
}

data "aws_ecr_lifecycle_policy_document" "it" {
  rule {
    priority    = 1
    description = "old ones"
    selection {
      tag_status   = "untagged"
      count_type   = "sinceImagePushed"
      count_unit   = "days"
      count_number = 7 * var.step
    }
  }
  rule {
    priority = 2
    selection {
      tag_status      = "tagged"
      tag_prefix_list = ["v"]
      count_type      = "imageCountMoreThan"
      count_number    = 10
    }
  }
}

data "aws_caller_identity" "me" {}

resource "aws_ecr_repository_policy" "it" {
  repository = aws_ecr_repository.it.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "step${var.step}", Effect = "Allow", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }, Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] }]
  })
}

resource "aws_ecr_pull_through_cache_rule" "it" {
  ecr_repository_prefix = "terraform-quay${var.step}"
  upstream_registry_url = "quay.io"
}

resource "aws_ecr_registry_scanning_configuration" "it" {
  scan_type = "BASIC"
  rule {
    scan_frequency = "SCAN_ON_PUSH"
    repository_filter {
      filter      = "terraform/*"
      filter_type = "WILDCARD"
    }
    dynamic "repository_filter" {
      for_each = var.step == 1 ? [] : ["prod"]
      content {
        filter      = repository_filter.value
        filter_type = "WILDCARD"
      }
    }
  }
}

resource "aws_ecr_account_setting" "scan" {
  name  = "BASIC_SCAN_TYPE_VERSION"
  value = "AWS_NATIVE"
}

data "aws_ecr_pull_through_cache_rule" "it" {
  ecr_repository_prefix = aws_ecr_pull_through_cache_rule.it.ecr_repository_prefix
}

data "aws_ecr_repository" "it" {
  name = aws_ecr_repository.it.name
}

data "aws_ecr_repositories" "it" {
  depends_on = [aws_ecr_repository.it, aws_ecr_repository.plain]
}

data "aws_ecr_authorization_token" "it" {}

output "imports" {
  value = {
    "aws_ecr_repository.it"        = aws_ecr_repository.it.name
    "aws_ecr_repository.plain"     = aws_ecr_repository.plain.name
    "aws_ecr_lifecycle_policy.it"  = aws_ecr_repository.it.name
    "aws_ecr_repository_policy.it" = aws_ecr_repository.it.name

    "aws_ecr_account_setting.scan" = aws_ecr_account_setting.scan.name

    "aws_ecr_registry_scanning_configuration.it" = data.aws_caller_identity.me.account_id

    "aws_ecr_pull_through_cache_rule.it" = aws_ecr_pull_through_cache_rule.it.ecr_repository_prefix
  }
}
