resource "aws_acm_certificate" "site" {
  domain_name               = "site.test"
  subject_alternative_names = ["www.site.test", "*.site.test"]
  validation_method         = "DNS"
  key_algorithm             = "EC_prime256v1"
  options {
    certificate_transparency_logging_preference = var.step == 1 ? "ENABLED" : "DISABLED"
  }
  tags = { step = var.step }
  lifecycle { create_before_destroy = true }
}

# The instance's own authority issues it, so nothing has to be put into DNS.
resource "aws_acm_certificate_validation" "site" {
  certificate_arn         = aws_acm_certificate.site.arn
  validation_record_fqdns = [for o in aws_acm_certificate.site.domain_validation_options : o.resource_record_name]
}

resource "aws_acm_certificate" "other" {
  domain_name       = "other.test"
  validation_method = "EMAIL"
  validation_option {
    domain_name       = "other.test"
    validation_domain = "other.test"
  }
}

data "aws_acm_certificate" "site" {
  domain      = "site.test"
  key_types   = ["EC_prime256v1"]
  statuses    = ["ISSUED"]
  most_recent = true
  depends_on  = [aws_acm_certificate_validation.site]
}
