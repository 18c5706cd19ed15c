resource "aws_security_group" "it" {
  name        = "it"
  description = "step"
  vpc_id      = aws_vpc.it.id
  ingress {
    description     = "offices"
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    prefix_list_ids = [aws_ec2_managed_prefix_list.apart.id]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  tags = { step = var.step }
}

resource "aws_security_group" "peer" {
  name   = "peer"
  vpc_id = aws_vpc.it.id
}

resource "aws_vpc_security_group_ingress_rule" "it" {
  security_group_id = aws_security_group.peer.id
  prefix_list_id    = aws_ec2_managed_prefix_list.it.id
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = var.step == 1 ? 80 : 81
  tags              = { step = var.step }
}

resource "aws_vpc_security_group_egress_rule" "it" {
  security_group_id = aws_security_group.peer.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_security_group_rule" "it" {
  type              = "ingress"
  security_group_id = aws_security_group.peer.id
  protocol          = "icmp"
  from_port         = 8
  to_port           = 0
  cidr_blocks       = ["10.0.0.0/8"]
  description       = "step ${var.step}"
}

resource "aws_default_security_group" "peer" {
  vpc_id = aws_vpc.peer.id
}
