resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.it.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      host        = "#{host}"
      path        = "/#{path}"
      query       = "step=${var.step}"
      port        = "443"
      protocol    = "HTTPS"
      status_code = var.step == 1 ? "HTTP_301" : "HTTP_302"
    }
  }
  tags = { step = var.step }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn                                                   = aws_lb.it.arn
  port                                                                = 443
  protocol                                                            = "HTTPS"
  ssl_policy                                                          = var.step == 1 ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : "ELBSecurityPolicy-TLS13-1-3-2021-06"
  certificate_arn                                                     = aws_acm_certificate_validation.site.certificate_arn
  routing_http_response_server_enabled                                = var.step == 1 ? "false" : "true"
  routing_http_response_strict_transport_security_header_value        = "max-age=${var.step}000; includeSubDomains"
  routing_http_response_access_control_allow_origin_header_value      = "https://site.test"
  routing_http_response_access_control_allow_methods_header_value     = "GET,POST"
  routing_http_response_access_control_allow_headers_header_value     = "*"
  routing_http_response_access_control_allow_credentials_header_value = "true"
  routing_http_response_access_control_expose_headers_header_value    = "x-step"
  routing_http_response_access_control_max_age_header_value           = "60"
  routing_http_response_content_security_policy_header_value          = "default-src 'self'"
  routing_http_response_x_content_type_options_header_value           = "nosniff"
  routing_http_response_x_frame_options_header_value                  = var.step == 1 ? "DENY" : "SAMEORIGIN"
  default_action {
    type  = "forward"
    order = 1
    forward {
      target_group {
        arn    = aws_lb_target_group.web.arn
        weight = 10 * var.step
      }
      target_group {
        arn    = aws_lb_target_group.random.arn
        weight = 1
      }
      stickiness {
        enabled  = true
        duration = 600 * var.step
      }
    }
  }
}

resource "aws_lb_listener" "bare" {
  load_balancer_arn = aws_lb.bare.arn
  port              = 80
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.bare.arn
  }
}

resource "aws_lb_listener_certificate" "other" {
  listener_arn    = aws_lb_listener.https.arn
  certificate_arn = aws_acm_certificate.other.arn
}

resource "aws_lb_listener_rule" "all" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10 * var.step
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
  condition {
    host_header { values = ["*.site.test", "step${var.step}.test"] }
  }
  condition {
    path_pattern { values = ["/a/*"] }
  }
  condition {
    http_request_method { values = ["GET", "HEAD"] }
  }
  tags = { step = var.step }
}

resource "aws_lb_listener_rule" "more" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 100
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "application/json"
      message_body = jsonencode({ step = var.step })
      status_code  = "40${var.step}"
    }
  }
  condition {
    http_header {
      http_header_name = "X-Step"
      values           = [var.step]
    }
  }
  condition {
    query_string {
      key   = "step"
      value = var.step
    }
    query_string { value = "any*" }
  }
  condition {
    source_ip { values = ["10.${var.step}.0.0/16"] }
  }
}

resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.https.arn # its priority is the next free one
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.web.arn
        weight = var.step
      }
      target_group {
        arn    = aws_lb_target_group.random.arn
        weight = 0
      }
      stickiness { # since a group's own clients stay
        enabled  = true
        duration = 60
      }
    }
  }
  condition {
    path_pattern { values = ["/weighted"] }
  }
}

data "aws_lb_listener" "https" { arn = aws_lb_listener.https.arn }

output "imports" {
  value = {
    "aws_acm_certificate.site"          = aws_acm_certificate.site.arn
    "aws_lb.it"                         = aws_lb.it.arn
    "aws_lb.bare"                       = aws_lb.bare.arn
    "aws_lb_target_group.web"           = aws_lb_target_group.web.arn
    "aws_lb_target_group.random"        = aws_lb_target_group.random.arn
    "aws_lb_target_group.bare"          = aws_lb_target_group.bare.arn
    "aws_lb_listener.http"              = aws_lb_listener.http.arn
    "aws_lb_listener.https"             = aws_lb_listener.https.arn
    "aws_lb_listener.bare"              = aws_lb_listener.bare.arn
    "aws_lb_listener_certificate.other" = "${aws_lb_listener.https.arn}_${aws_acm_certificate.other.arn}"
    "aws_lb_listener_rule.more"         = aws_lb_listener_rule.more.arn
    "aws_lb_listener_rule.weighted"     = aws_lb_listener_rule.weighted.arn
    "aws_security_group.lb"             = aws_security_group.lb.id
  }
}
