data "aws_vpc" "default" { default = true }
data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_security_group" "lb" {
  name        = "resources-lb"
  description = "of a load balancer"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_security_group" "more" {
  name        = "resources-lb-more"
  description = "of a load balancer"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_vpc_security_group_ingress_rule" "lb" {
  for_each          = toset(["80", "443"])
  security_group_id = aws_security_group.lb.id
  description       = "step ${var.step}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  tags              = { step = var.step }
}

resource "aws_lb" "it" {
  name                       = "resources"
  internal                   = false
  load_balancer_type         = "application"
  ip_address_type            = "ipv4"
  subnets                    = data.aws_subnets.default.ids
  security_groups            = var.step == 1 ? [aws_security_group.lb.id] : [aws_security_group.lb.id, aws_security_group.more.id]
  client_keep_alive          = var.step == 1 ? 3600 : 600
  desync_mitigation_mode     = var.step == 1 ? "strictest" : "monitor"
  drop_invalid_header_fields = var.step == 1
  enable_deletion_protection = false
  enable_http2               = var.step != 1
  enable_xff_client_port     = var.step == 1
  idle_timeout               = 60 * var.step
  preserve_host_header       = var.step == 1
  xff_header_processing_mode = var.step == 1 ? "preserve" : "remove"
  tags                       = { step = var.step }

  access_logs {
    bucket  = aws_s3_bucket.logs.id
    prefix  = "step-${var.step}"
    enabled = true
  }
  connection_logs {
    bucket  = aws_s3_bucket.logs.id
    enabled = var.step == 1
  }
  depends_on = [aws_s3_bucket_policy.logs]
}

data "aws_caller_identity" "me" {}
data "aws_elb_service_account" "of_the_region" {}

resource "aws_s3_bucket" "logs" {
  bucket        = "lb-logs-${data.aws_caller_identity.me.account_id}"
  force_destroy = true # the balancer's test files
}

# Both who AWS has deliver logs: the service, and the account that it had before.
data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/*/AWSLogs/${data.aws_caller_identity.me.account_id}/*"]
    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/AWSLogs/${data.aws_caller_identity.me.account_id}/*"]
    principals {
      type        = "AWS"
      identifiers = [data.aws_elb_service_account.of_the_region.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = data.aws_iam_policy_document.logs.json
}

resource "aws_lb" "bare" {
  name_prefix = "bare-"
  dynamic "subnet_mapping" {
    for_each = toset(data.aws_subnets.default.ids)
    content { subnet_id = subnet_mapping.value }
  }
}

data "aws_lb" "it" { arn = aws_lb.it.arn }
