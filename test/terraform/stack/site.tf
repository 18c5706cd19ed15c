# A site as people run it, of what there is today: repository, logs, files, cluster, balancer, a service behind a host name.
resource "aws_ecr_repository" "site" {
  name                 = "team/stack"
  image_tag_mutability = var.step == 1 ? "MUTABLE" : "IMMUTABLE"
  force_delete         = true
  image_scanning_configuration { scan_on_push = false }
  encryption_configuration { encryption_type = "AES256" }
}

resource "terraform_data" "image" {
  triggers_replace = [var.step, aws_ecr_repository.site.repository_url]
  provisioner "local-exec" {
    command = <<-EOT
      docker tag ${var.app}:${var.step} ${aws_ecr_repository.site.repository_url}:${var.step} &&
      docker push -q ${aws_ecr_repository.site.repository_url}:${var.step}
    EOT
  }
}

resource "aws_cloudwatch_log_group" "site" {
  name              = "/ecs/stack"
  retention_in_days = var.step == 1 ? 7 : 14
}

resource "aws_efs_file_system" "site" {
  creation_token = "stack"
}

resource "aws_efs_mount_target" "site" {
  for_each        = toset(data.aws_subnets.default.ids)
  file_system_id  = aws_efs_file_system.site.id
  subnet_id       = each.value
  security_groups = [aws_security_group.files.id]
}

resource "aws_efs_access_point" "site" {
  file_system_id = aws_efs_file_system.site.id
  posix_user {
    uid = 1000
    gid = 1000
  }
  root_directory {
    path = "/stack"
    creation_info {
      owner_uid   = 1000
      owner_gid   = 1000
      permissions = "0755"
    }
  }
}

resource "aws_ecs_cluster" "main" {
  name = "stack"
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_lb" "main" {
  name               = "stack"
  internal           = false
  load_balancer_type = "application"
  subnets            = data.aws_subnets.default.ids
  security_groups    = [aws_security_group.lb.id]
  idle_timeout       = var.step == 1 ? 60 : 120
}

resource "aws_lb_target_group" "site" {
  name                 = "stack"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 5
  health_check {
    path                = "/healthz"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 3
    matcher             = var.step == 1 ? "200" : "200-299"
  }
  stickiness {
    type            = "lb_cookie"
    enabled         = false
    cookie_duration = 86400
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "nothing here, step ${var.step}"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "site" {
  listener_arn = aws_lb_listener.http.arn
  priority     = var.step == 1 ? 10 : 20
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.site.arn
  }
  condition {
    host_header { values = ["stack.example.test", "*.stack.example.test"] }
  }
  condition {
    path_pattern { values = ["/*"] }
  }
}

resource "aws_ecs_task_definition" "site" {
  family                   = "stack"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  volume {
    name = "files"
    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.site.id
      transit_encryption = "ENABLED"
      authorization_config { access_point_id = aws_efs_access_point.site.id }
    }
  }
  container_definitions = jsonencode([{
    name         = "web"
    image        = "${aws_ecr_repository.site.repository_url}:${var.step}"
    essential    = true
    portMappings = [{ containerPort = 8080, hostPort = 8080, protocol = "tcp" }]
    mountPoints  = [{ sourceVolume = "files", containerPath = "/files" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.site.name
        "awslogs-region"        = data.aws_region.here.name
        "awslogs-stream-prefix" = "web"
      }
    }
  }])
  depends_on = [terraform_data.image]
}

resource "aws_ecs_service" "site" {
  name                              = "stack"
  cluster                           = aws_ecs_cluster.main.id
  task_definition                   = aws_ecs_task_definition.site.arn
  desired_count                     = var.step
  launch_type                       = "FARGATE"
  health_check_grace_period_seconds = 30
  enable_ecs_managed_tags           = true
  propagate_tags                    = "SERVICE"
  wait_for_steady_state             = true
  network_configuration {
    subnets          = data.aws_subnets.default.ids
    security_groups  = [aws_security_group.web.id]
    assign_public_ip = true
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.site.arn
    container_name   = "web"
    container_port   = 8080
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  depends_on = [aws_lb_listener_rule.site, aws_efs_mount_target.site]
}
