resource "aws_route53_zone" "it" {
  name    = "terraform.test"
  comment = "step ${var.step}"
  tags    = { step = var.step }
}

data "aws_vpc" "default" { default = true }

resource "aws_route53_zone" "inside" {
  name = "inside.terraform.test"
  vpc { vpc_id = data.aws_vpc.default.id }
}

data "aws_route53_zone" "it" {
  name       = "terraform.test"
  depends_on = [aws_route53_zone.it]
}

output "imports" {
  value = {
    "aws_route53_zone.it"                 = aws_route53_zone.it.zone_id
    "aws_route53_zone.inside"             = aws_route53_zone.inside.zone_id
    "aws_route53_record.it"               = "${aws_route53_zone.it.zone_id}_www.terraform.test_A"
    "aws_route53_record.weighted"         = "${aws_route53_zone.it.zone_id}_w.terraform.test_TXT_one"
    "aws_route53_record.failover"         = "${aws_route53_zone.it.zone_id}_f.terraform.test_A_first"
    "aws_route53_record.alias"            = "${aws_route53_zone.it.zone_id}_terraform.test_A"
    "aws_route53_record.inside"           = "${aws_route53_zone.inside.zone_id}_db.inside.terraform.test_CNAME"
    "aws_route53_health_check.it"         = aws_route53_health_check.it.id
    "aws_route53_health_check.calculated" = aws_route53_health_check.calculated.id
  }
}
