resource "aws_route53_record" "it" {
  zone_id = aws_route53_zone.it.zone_id
  name    = "www.terraform.test"
  type    = "A"
  ttl     = var.step == 1 ? 300 : 60
  records = var.step == 1 ? ["192.0.2.1"] : ["192.0.2.1", "192.0.2.2"]
}

resource "aws_route53_record" "weighted" {
  zone_id        = aws_route53_zone.it.zone_id
  name           = "w.terraform.test"
  type           = "TXT"
  ttl            = 5
  records        = ["step-${var.step}"]
  set_identifier = "one"
  weighted_routing_policy { weight = 10 * var.step }
}

resource "aws_route53_record" "failover" {
  zone_id         = aws_route53_zone.it.zone_id
  name            = "f.terraform.test"
  type            = "A"
  ttl             = 5
  records         = ["192.0.2.3"]
  set_identifier  = "first"
  health_check_id = aws_route53_health_check.it.id
  failover_routing_policy { type = "PRIMARY" }
}

resource "aws_route53_record" "alias" {
  zone_id = aws_route53_zone.it.zone_id
  name    = "terraform.test"
  type    = "A"
  alias {
    name                   = aws_route53_record.it.fqdn
    zone_id                = aws_route53_zone.it.zone_id
    evaluate_target_health = var.step == 1
  }
}

resource "aws_route53_record" "inside" {
  zone_id = aws_route53_zone.inside.zone_id
  name    = "db.inside.terraform.test"
  type    = "CNAME"
  ttl     = 60
  records = ["www.terraform.test"]
}
