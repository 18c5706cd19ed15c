resource "aws_internet_gateway" "it" {
  vpc_id = aws_vpc.it.id
  tags   = { step = var.step }
}

resource "aws_internet_gateway" "apart" {}

resource "aws_internet_gateway_attachment" "it" {
  internet_gateway_id = aws_internet_gateway.apart.id
  vpc_id              = aws_vpc.peer.id
}

resource "aws_eip" "nat" {
  domain     = "vpc"
  tags       = { step = var.step }
  depends_on = [aws_internet_gateway.it]
}

resource "aws_nat_gateway" "it" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.it.id
  tags          = { step = var.step }
}

resource "aws_eip" "other" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.it]
}

resource "aws_nat_gateway" "other" {
  allocation_id = aws_eip.other.id
  private_ip    = "10.250.1.77"
  subnet_id     = aws_subnet.it.id
}

resource "aws_network_interface" "it" {
  subnet_id       = aws_subnet.it.id
  description     = "step ${var.step}"
  private_ips     = ["10.250.1.99"]
  security_groups = var.step == 1 ? [aws_security_group.it.id] : [aws_security_group.it.id, aws_security_group.peer.id]
}

resource "aws_eip" "it" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.it]
}

resource "aws_eip_association" "it" {
  allocation_id        = aws_eip.it.id
  network_interface_id = aws_network_interface.it.id
}

resource "aws_vpc_peering_connection" "it" {
  vpc_id      = aws_vpc.it.id
  peer_vpc_id = aws_vpc.peer.id
  auto_accept = true
  tags        = { step = var.step }
}

resource "aws_ec2_managed_prefix_list" "it" {
  name           = "terraform-${var.step}"
  address_family = "IPv4"
  max_entries    = 5
  entry {
    cidr        = var.step == 1 ? "192.0.2.0/24" : "198.51.100.0/24"
    description = "step ${var.step}"
  }
}

resource "aws_ec2_managed_prefix_list" "apart" {
  name           = "terraform-apart"
  address_family = "IPv4"
  max_entries    = 3
}

resource "aws_ec2_managed_prefix_list_entry" "it" {
  prefix_list_id = aws_ec2_managed_prefix_list.apart.id
  cidr           = "203.0.113.0/24"
}

resource "aws_route_table" "it" {
  vpc_id = aws_vpc.it.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.it.id
  }
  route {
    cidr_block                = aws_vpc.peer.cidr_block
    vpc_peering_connection_id = aws_vpc_peering_connection.it.id
  }
  tags = { step = var.step }
}

resource "aws_route_table" "other" {
  vpc_id = aws_vpc.it.id
}

resource "aws_route" "it" {
  route_table_id         = aws_route_table.other.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = var.step == 1 ? aws_nat_gateway.it.id : aws_nat_gateway.other.id
}

resource "aws_route" "list" {
  route_table_id             = aws_route_table.other.id
  destination_prefix_list_id = aws_ec2_managed_prefix_list.it.id
  gateway_id                 = aws_internet_gateway.it.id
}

resource "aws_route_table_association" "it" {
  subnet_id      = aws_subnet.it.id
  route_table_id = aws_route_table.it.id
}

resource "aws_main_route_table_association" "it" {
  vpc_id         = aws_vpc.it.id
  route_table_id = aws_route_table.other.id
}

resource "aws_default_route_table" "peer" {
  default_route_table_id = aws_vpc.peer.default_route_table_id
  route {
    cidr_block                = aws_vpc.it.cidr_block
    vpc_peering_connection_id = aws_vpc_peering_connection.it.id
  }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.it.id
  service_name    = "com.amazonaws.${data.aws_region.here.name}.s3"
  route_table_ids = var.step == 1 ? [aws_route_table.it.id] : []
  tags            = { step = var.step }
  lifecycle { ignore_changes = [route_table_ids] }
}

resource "aws_vpc_endpoint_route_table_association" "s3" {
  vpc_endpoint_id = aws_vpc_endpoint.s3.id
  route_table_id  = aws_route_table.other.id
}
