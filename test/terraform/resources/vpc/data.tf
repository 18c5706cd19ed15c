data "aws_vpc" "it" { id = aws_vpc.it.id }

data "aws_vpcs" "all" { depends_on = [aws_vpc.it] }

data "aws_subnets" "it" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.it.id]
  }
  depends_on = [aws_subnet.it, aws_subnet.second]
  lifecycle {
    postcondition {
      condition     = length(self.ids) == 2
      error_message = "another number of subnets"
    }
  }
}

data "aws_route_table" "it" {
  subnet_id  = aws_subnet.it.id
  depends_on = [aws_route_table_association.it]
}

data "aws_nat_gateway" "it" { id = aws_nat_gateway.it.id }

data "aws_internet_gateway" "it" {
  filter {
    name   = "attachment.vpc-id"
    values = [aws_vpc.it.id]
  }
  depends_on = [aws_internet_gateway.it]
}

data "aws_eip" "it" { id = aws_eip.it.id }

data "aws_eips" "all" { depends_on = [aws_eip.it] }

data "aws_network_interface" "it" { id = aws_network_interface.it.id }

data "aws_vpc_dhcp_options" "it" { dhcp_options_id = aws_vpc_dhcp_options.it.id }

data "aws_network_acls" "it" {
  vpc_id     = aws_vpc.it.id
  depends_on = [aws_network_acl.it]
}

data "aws_ec2_managed_prefix_list" "s3" { name = "com.amazonaws.${data.aws_region.here.name}.s3" }

data "aws_prefix_list" "s3" { name = "com.amazonaws.${data.aws_region.here.name}.s3" }

data "aws_vpc_endpoint_service" "s3" {
  service      = "s3"
  service_type = "Gateway"
}

data "aws_vpc_endpoint" "s3" { id = aws_vpc_endpoint.s3.id }

data "aws_vpc_peering_connection" "it" { id = aws_vpc_peering_connection.it.id }

data "aws_security_group" "it" { id = aws_security_group.it.id }

output "imports" {
  value = {
    "aws_vpc.it"                                  = aws_vpc.it.id
    "aws_vpc_ipv4_cidr_block_association.it"      = aws_vpc_ipv4_cidr_block_association.it.id
    "aws_subnet.it"                               = aws_subnet.it.id
    "aws_vpc_dhcp_options.it"                     = aws_vpc_dhcp_options.it.id
    "aws_vpc_dhcp_options_association.it"         = aws_vpc.it.id
    "aws_network_acl.it"                          = aws_network_acl.it.id
    "aws_network_acl_rule.it"                     = "${aws_network_acl.rules.id}:200:udp:false"
    "aws_network_acl_association.it"              = aws_network_acl_association.it.id
    "aws_internet_gateway.it"                     = aws_internet_gateway.it.id
    "aws_internet_gateway_attachment.it"          = "${aws_internet_gateway.apart.id}:${aws_vpc.peer.id}"
    "aws_eip.nat"                                 = aws_eip.nat.id
    "aws_nat_gateway.it"                          = aws_nat_gateway.it.id
    "aws_nat_gateway.other"                       = aws_nat_gateway.other.id
    "aws_network_interface.it"                    = aws_network_interface.it.id
    "aws_eip_association.it"                      = aws_eip_association.it.id
    "aws_ec2_managed_prefix_list.it"              = aws_ec2_managed_prefix_list.it.id
    "aws_ec2_managed_prefix_list_entry.it"        = "${aws_ec2_managed_prefix_list.apart.id},203.0.113.0/24"
    "aws_route_table.it"                          = aws_route_table.it.id
    "aws_route.it"                                = "${aws_route_table.other.id}_0.0.0.0/0"
    "aws_route_table_association.it"              = "${aws_subnet.it.id}/${aws_route_table.it.id}"
    "aws_vpc_endpoint_route_table_association.s3" = "${aws_vpc_endpoint.s3.id}/${aws_route_table.other.id}"
    "aws_security_group.it"                       = aws_security_group.it.id
    "aws_vpc_security_group_ingress_rule.it"      = aws_vpc_security_group_ingress_rule.it.id
    "aws_vpc_security_group_egress_rule.it"       = aws_vpc_security_group_egress_rule.it.id
    "aws_security_group_rule.it"                  = "${aws_security_group.peer.id}_ingress_icmp_8_0_10.0.0.0/8"
  }
}
