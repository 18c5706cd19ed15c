resource "aws_route53_health_check" "it" {
  type              = "HTTP_STR_MATCH"
  fqdn              = "localhost"
  port              = 8
  resource_path     = "/step${var.step}"
  search_string     = "well"
  request_interval  = 30
  failure_threshold = var.step
  tags              = { step = var.step }
}

resource "aws_route53_health_check" "calculated" {
  type                   = "CALCULATED"
  child_health_threshold = 1
  child_healthchecks     = [aws_route53_health_check.it.id]
  invert_healthcheck     = var.step == 2
}
