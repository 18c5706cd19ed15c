data "aws_region" "here" {}
data "aws_availability_zones" "here" { state = "available" }

resource "aws_vpc" "it" {
  cidr_block           = "10.250.0.0/16"
  enable_dns_hostnames = var.step == 1
  tags                 = { step = var.step }
}

resource "aws_vpc_ipv4_cidr_block_association" "it" {
  vpc_id     = aws_vpc.it.id
  cidr_block = "100.71.0.0/20"
}

resource "aws_vpc" "peer" {
  cidr_block         = "10.251.0.0/16"
  enable_dns_support = var.step == 1
}

resource "aws_subnet" "it" {
  vpc_id                              = aws_vpc.it.id
  cidr_block                          = "10.250.1.0/24"
  availability_zone                   = data.aws_availability_zones.here.names[1]
  map_public_ip_on_launch             = var.step == 1
  private_dns_hostname_type_on_launch = var.step == 1 ? "ip-name" : "resource-name"
  tags                                = { step = var.step }
}

resource "aws_subnet" "second" {
  vpc_id               = aws_vpc_ipv4_cidr_block_association.it.vpc_id
  cidr_block           = "100.71.0.0/24"
  availability_zone_id = data.aws_availability_zones.here.zone_ids[0]
}

resource "aws_vpc_dhcp_options" "it" {
  domain_name         = "terraform.internal"
  domain_name_servers = ["AmazonProvidedDNS"]
  tags                = { step = var.step }
}

resource "aws_vpc_dhcp_options_association" "it" {
  vpc_id          = aws_vpc.it.id
  dhcp_options_id = aws_vpc_dhcp_options.it.id
}

resource "aws_network_acl" "it" {
  vpc_id     = aws_vpc.it.id
  subnet_ids = [aws_subnet.it.id]
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "tcp"
    cidr_block = var.step == 1 ? "0.0.0.0/0" : "10.0.0.0/8"
    from_port  = 80
    to_port    = 443
  }
  ingress {
    rule_no    = 110
    action     = "deny"
    protocol   = "icmp"
    cidr_block = "0.0.0.0/0"
    icmp_type  = 8
    icmp_code  = -1
    from_port  = 0
    to_port    = 0
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_network_acl" "rules" {
  vpc_id = aws_vpc.it.id
}

resource "aws_network_acl_rule" "it" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 200
  protocol       = "udp"
  rule_action    = var.step == 1 ? "allow" : "deny"
  cidr_block     = "10.0.0.0/8"
  from_port      = 53
  to_port        = 53
}

resource "aws_network_acl_association" "it" {
  network_acl_id = aws_network_acl.rules.id
  subnet_id      = aws_subnet.second.id
}

resource "aws_default_network_acl" "peer" {
  default_network_acl_id = aws_vpc.peer.default_network_acl_id
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}
