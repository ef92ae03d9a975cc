# An environment whose switch is a pair of weighted Route 53 records: each color has its own load balancer, which does
# nothing but forward to the color's target group.

locals {
  tags     = merge(var.tags, { "switchback:environment" = var.name })
  protocol = var.certificate_arn == null ? "HTTP" : "HTTPS"

  # The weights at birth. From the first release on they are switchback's.
  weights = { (var.colors[0]) = 100, (var.colors[1]) = 0 }
}

data "aws_route53_zone" "this" {
  zone_id = var.zone_id
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancers"
  description = "Load balancers of ${var.name}"
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

resource "aws_lb" "color" {
  for_each = local.weights

  name                       = "${var.name}-${each.key}"
  load_balancer_type         = "application"
  internal                   = var.internal
  subnets                    = var.load_balancer_subnets
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  client_keep_alive          = var.client_keep_alive
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

resource "aws_lb_listener" "color" {
  for_each = local.weights

  load_balancer_arn = aws_lb.color[each.key].arn
  port              = var.listener_port
  protocol          = local.protocol
  certificate_arn   = var.certificate_arn
  ssl_policy        = var.certificate_arn == null ? null : var.ssl_policy
  tags              = local.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.color[each.key].arn
  }
}

# The set identifiers are the colors' names: that is how switchback tells the records apart.
resource "aws_route53_record" "color" {
  for_each = local.weights

  zone_id        = var.zone_id
  name           = var.record
  type           = "A"
  set_identifier = each.key

  alias {
    name    = aws_lb.color[each.key].dns_name
    zone_id = aws_lb.color[each.key].zone_id

    # An idle color has no instances, so Route 53 would call it unhealthy; switchback watches the health of the targets.
    evaluate_target_health = false
  }

  weighted_routing_policy {
    weight = each.value
  }

  # The weights are switchback's.
  lifecycle {
    ignore_changes = [weighted_routing_policy]
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
  dns                 = { zone_arn = data.aws_route53_zone.this.arn, record = var.record, type = "A" }
  launch_template_arn = module.fleet.launch_template_arn
  subnet_ids          = var.instance_subnets
  security_group_ids  = [module.fleet.security_group_id]
  instance_role_arn   = try(var.instance_profile.role_arn, null)
  image_owners        = var.image_owners
  journal             = var.journal
  tags                = var.tags
}
