resource "aws_lb_target_group" "web" {
  name                              = "resources-web"
  port                              = 8080
  protocol                          = "HTTP"
  protocol_version                  = "HTTP1"
  target_type                       = "ip"
  ip_address_type                   = "ipv4"
  vpc_id                            = data.aws_vpc.default.id
  deregistration_delay              = 30 * var.step
  slow_start                        = 30 * var.step
  load_balancing_algorithm_type     = "round_robin"
  load_balancing_cross_zone_enabled = var.step == 1 ? "true" : "false"
  health_check {
    enabled             = true
    path                = "/healthz${var.step}"
    port                = var.step == 1 ? "traffic-port" : "8081"
    protocol            = "HTTP"
    interval            = 10 * var.step
    timeout             = 2 * var.step
    healthy_threshold   = 1 + var.step
    unhealthy_threshold = 2 + var.step
    matcher             = var.step == 1 ? "200,302" : "200-299"
  }
  stickiness {
    type            = "app_cookie"
    cookie_name     = "session"
    cookie_duration = 3600 * var.step
    enabled         = var.step == 1
  }
  target_group_health {
    dns_failover {
      minimum_healthy_targets_count      = var.step
      minimum_healthy_targets_percentage = "off"
    }
    unhealthy_state_routing {
      minimum_healthy_targets_count      = var.step
      minimum_healthy_targets_percentage = "off"
    }
  }
  tags = { step = var.step }
}

resource "aws_lb_target_group" "random" {
  name_prefix                       = "rand-"
  port                              = 80
  protocol                          = "HTTP"
  target_type                       = "ip"
  vpc_id                            = data.aws_vpc.default.id
  load_balancing_algorithm_type     = var.step == 1 ? "weighted_random" : "least_outstanding_requests"
  load_balancing_anomaly_mitigation = var.step == 1 ? "on" : "off"
}

resource "aws_lb_target_group" "bare" {
  name        = "resources-bare"
  port        = 80
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = data.aws_vpc.default.id
}

resource "aws_lb_target_group_attachment" "web" {
  count            = var.step
  target_group_arn = aws_lb_target_group.web.arn
  target_id        = cidrhost(data.aws_vpc.default.cidr_block, 200 + count.index)
  port             = 9000
}

data "aws_lb_target_group" "web" { arn = aws_lb_target_group.web.arn }
