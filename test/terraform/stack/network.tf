# The default VPC and groups in the three ways that people write rules: in the group, as rules of their own, and in the older form of those.
data "aws_region" "here" {}
data "aws_caller_identity" "me" {}
data "aws_availability_zones" "here" { state = "available" }
data "aws_vpc" "default" { default = true }
data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_security_group" "lb" {
  name_prefix = "lb-"
  description = "the balancer"
  vpc_id      = data.aws_vpc.default.id
  ingress {
    description      = "the world"
    from_port        = 80
    to_port          = 80
    protocol         = "tcp"
    cidr_blocks      = var.step == 1 ? ["0.0.0.0/0"] : ["0.0.0.0/0", "10.0.0.0/8"]
    ipv6_cidr_blocks = ["::/0"]
  }
  egress {
    from_port        = 0
    to_port          = 0
    protocol         = "-1"
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
  lifecycle { create_before_destroy = true }
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = data.aws_vpc.default.id
  tags   = { Name = "step-${var.step}" }
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id            = aws_security_group.web.id
  referenced_security_group_id = aws_security_group.lb.id
  description                  = "from the balancer, step ${var.step}"
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = var.step == 1 ? 8080 : 8081
}

resource "aws_vpc_security_group_egress_rule" "web" {
  for_each          = { ipv4 = "0.0.0.0/0" }
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = each.value
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_egress_rule" "web_ipv6" {
  security_group_id = aws_security_group.web.id
  cidr_ipv6         = "::/0"
  ip_protocol       = "-1"
}

resource "aws_security_group" "files" {
  name   = "files"
  vpc_id = data.aws_vpc.default.id
}

resource "aws_security_group_rule" "files" {
  type                     = "ingress"
  security_group_id        = aws_security_group.files.id
  source_security_group_id = aws_security_group.web.id
  protocol                 = "tcp"
  from_port                = 2049
  to_port                  = 2049
}

resource "aws_security_group_rule" "files_self" {
  type              = "ingress"
  security_group_id = aws_security_group.files.id
  self              = true
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
}

output "zones" { value = data.aws_availability_zones.here.names }
output "account" { value = data.aws_caller_identity.me.account_id }
