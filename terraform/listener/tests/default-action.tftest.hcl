# The module without a rule: the default action is the switch. A file of its own, since runs share a state. AWS is mocked; the provider's schema is real.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop-prod/0123456789abcdef" }
  }

  override_resource {
    target = aws_lb_target_group.color["blue"]
    values = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blue/0123456789abcdef" }
  }

  override_resource {
    target = aws_lb_target_group.color["green"]
    values = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/green/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop-prod/0123456789abcdef/0123456789abcdef" }
  }
}

variables {
  name                  = "shop-prod"
  vpc_id                = "vpc-1"
  load_balancer_subnets = ["subnet-c", "subnet-d"]
  listener_port         = 80
  rule                  = null
  port                  = 8080
  health_check          = { path = "/healthz", port = 8081 }
  instance_count        = 3
  instance_type         = "t3.small"
  instance_subnets      = ["subnet-a", "subnet-b"]
  runner_cidrs          = ["10.0.0.0/16"]
  runner_trust_policy   = "{}"
  smoke_path            = "/healthz"
}

run "default_action" {
  assert {
    condition     = length(aws_lb_listener_rule.this) == 0 && aws_lb_listener.this.default_action[0].type == "forward"
    error_message = "the default action carries the traffic"
  }

  assert {
    condition     = output.environment_file == file("tests/default-action.yaml")
    error_message = "the environment file is not tests/default-action.yaml:\n${output.environment_file}"
  }
}
