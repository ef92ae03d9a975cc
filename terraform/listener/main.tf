# An environment whose switch is a listener: one load balancer, and a rule (or the default action) with two weighted
# target groups.

locals {
  tags     = merge(var.tags, { "switchback:environment" = var.name })
  protocol = var.certificate_arn == null ? "HTTP" : "HTTPS"

  # The weights at birth. From the first release on they are switchback's.
  weights = { (var.colors[0]) = 100, (var.colors[1]) = 0 }
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "Load balancer of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.client_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  description       = "Clients"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.listener_port
  to_port           = var.listener_port
  tags              = local.tags
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = var.internal
  subnets                    = var.load_balancer_subnets
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  tags                       = local.tags
}

# No attachments: switchback registers the instances that it launches.
resource "aws_lb_target_group" "color" {
  for_each = local.weights

  name                 = "${var.name}-${each.key}"
  vpc_id               = var.vpc_id
  port                 = var.port
  protocol             = "HTTP"
  target_type          = "instance"
  deregistration_delay = var.deregistration_delay
  tags                 = local.tags

  # Both colors alike, and every value on purpose: AWS's own pages disagree about some defaults.
  health_check {
    path                = var.health_check.path
    port                = var.health_check.port == null ? "traffic-port" : tostring(var.health_check.port)
    matcher             = var.health_check.matcher
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy_threshold
    unhealthy_threshold = var.health_check.unhealthy_threshold
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = var.listener_port
  protocol          = local.protocol
  certificate_arn   = var.certificate_arn
  ssl_policy        = var.certificate_arn == null ? null : var.ssl_policy
  tags              = local.tags

  # Without a rule the default action carries the traffic, with one it answers what no rule matches.
  dynamic "default_action" {
    for_each = var.rule == null ? [local.weights] : []

    content {
      type = "forward"

      forward {
        dynamic "target_group" {
          for_each = default_action.value

          content {
            arn    = aws_lb_target_group.color[target_group.key].arn
            weight = target_group.value
          }
        }
      }
    }
  }

  dynamic "default_action" {
    for_each = var.rule == null ? [] : [404]

    content {
      type = "fixed-response"

      fixed_response {
        content_type = "text/plain"
        message_body = "no rule for this request"
        status_code  = tostring(default_action.value)
      }
    }
  }

  # The weights are switchback's, and a set cannot be ignored in part (terraform-provider-aws#43905).
  lifecycle {
    ignore_changes = [default_action]
  }
}

resource "aws_lb_listener_rule" "this" {
  count = var.rule == null ? 0 : 1

  listener_arn = aws_lb_listener.this.arn
  priority     = var.rule.priority
  tags         = local.tags

  condition {
    dynamic "path_pattern" {
      for_each = var.rule.path == null ? [] : [var.rule.path]

      content {
        values = [path_pattern.value]
      }
    }

    dynamic "host_header" {
      for_each = var.rule.host == null ? [] : [var.rule.host]

      content {
        values = [host_header.value]
      }
    }
  }

  action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = local.weights

        content {
          arn    = aws_lb_target_group.color[target_group.key].arn
          weight = target_group.value
        }
      }
    }
  }

  # The weights are switchback's (terraform-provider-aws#43905). A new priority would replace the rule, and the new rule
  # would send all traffic to the first color (terraform-provider-aws#24811): change it with set-rule-priorities.
  lifecycle {
    ignore_changes = [action, priority]
  }
}

module "fleet" {
  source = "../fleet"

  name                            = var.name
  vpc_id                          = var.vpc_id
  load_balancer_security_group_id = aws_security_group.load_balancer.id
  port                            = var.port
  health_check_port               = coalesce(var.health_check.port, var.port)
  instance_type                   = var.instance_type
  user_data                       = var.user_data
  instance_profile                = var.instance_profile
  runner_cidrs                    = var.runner_cidrs
  tags                            = var.tags
}

module "deploy_role" {
  source = "../deploy-role"

  name                = var.name
  trust_policy        = var.runner_trust_policy
  target_group_arns   = [for group in aws_lb_target_group.color : group.arn]
  rule_arn            = one(aws_lb_listener_rule.this[*].arn)
  listener_arn        = var.rule == null ? aws_lb_listener.this.arn : null
  launch_template_arn = module.fleet.launch_template_arn
  subnet_ids          = var.instance_subnets
  security_group_ids  = [module.fleet.security_group_id]
  instance_role_arn   = try(var.instance_profile.role_arn, null)
  image_owners        = var.image_owners
  journal             = var.journal
  tags                = var.tags
}
