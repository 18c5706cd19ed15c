resource "aws_efs_file_system" "it" {
  creation_token = "terraform-it"
  tags           = { Name = "step ${var.step}" }
}

resource "aws_iam_role" "it" {
  name               = "terraform-files"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }] })
}

resource "aws_efs_file_system_policy" "it" {
  file_system_id = aws_efs_file_system.it.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "step${var.step}"
      Effect    = "Allow"
      Principal = { AWS = aws_iam_role.it.arn }
      Action    = var.step == 1 ? ["elasticfilesystem:ClientMount"] : ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
      Resource  = aws_efs_file_system.it.arn
      Condition = { Bool = { "aws:SecureTransport" = "true" } }
    }]
  })
}

resource "aws_efs_access_point" "it" {
  file_system_id = aws_efs_file_system.it.id
  posix_user {
    uid = 1000
    gid = 1000
  }
  root_directory {
    path = "/app"
    creation_info {
      owner_uid   = 1000
      owner_gid   = 1000
      permissions = "750"
    }
  }
  tags = { step = var.step }
}

output "imports" {
  value = {
    "aws_efs_file_system.it"        = aws_efs_file_system.it.id
    "aws_efs_file_system_policy.it" = aws_efs_file_system.it.id
    "aws_efs_access_point.it"       = aws_efs_access_point.it.id
    "aws_iam_role.it"               = aws_iam_role.it.name
  }
}
