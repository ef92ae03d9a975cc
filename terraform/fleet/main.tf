# What switchback launches instances from: a launch template and the security group of the instances.

locals {
  tags = merge(var.tags, { "switchback:environment" = var.name })

  # The load balancer sends traffic to one port and health checks to the same port or another.
  ports = toset([for port in distinct([var.port, var.health_check_port]) : tostring(port)])
}

# No image: switchback puts the release's in at launch.
# No tag_specifications: switchback tags instances and volumes as it launches them, and the deploy role checks those tags.
resource "aws_launch_template" "this" {
  name                   = var.name
  description            = "Instances of ${var.name}; switchback adds the image"
  instance_type          = var.instance_type
  user_data              = var.user_data == null ? null : base64encode(var.user_data)
  update_default_version = true # switchback takes the number of the default version when a release starts
  vpc_security_group_ids = [aws_security_group.instances.id]
  tags                   = local.tags

  dynamic "iam_instance_profile" {
    for_each = var.instance_profile == null ? [] : [var.instance_profile.arn]

    content {
      arn = iam_instance_profile.value
    }
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
}

resource "aws_security_group" "instances" {
  name        = "${var.name}-instances"
  description = "Instances of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = local.ports

  security_group_id            = aws_security_group.instances.id
  description                  = "Traffic and health checks from the load balancer"
  referenced_security_group_id = var.load_balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  tags                         = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "runner" {
  for_each = toset(var.runner_cidrs)

  security_group_id = aws_security_group.instances.id
  description       = "Smoke checks from where switchback runs"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.port
  to_port           = var.port
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.instances.id
  description       = "Whatever the service needs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = local.tags
}

# The other half of the rules above: the load balancer may reach the instances, and nothing else.
resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  for_each = local.ports

  security_group_id            = var.load_balancer_security_group_id
  description                  = "Traffic and health checks to the instances"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  tags                         = local.tags
}
