# What the module plans, and the environment file that it prints. AWS is mocked; the provider's schema is real.

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
  rule                  = { priority = 10, path = "/api/*" }
  port                  = 8080
  health_check          = { path = "/healthz", port = 8081 }
  instance_count        = 3
  instance_type         = "t3.small"
  instance_subnets      = ["subnet-a", "subnet-b"]
  runner_cidrs          = ["10.0.0.0/16"]
  runner_trust_policy   = "{}"
  smoke_path            = "/healthz"
}

run "rule" {
  assert {
    condition = {
      for group in aws_lb_listener_rule.this[0].action[0].forward[0].target_group : split("/", group.arn)[1] => group.weight
    } == { blue = 100, green = 0 }
    error_message = "both colors are in the rule, or the idle one would not be health-checked; the first has the traffic"
  }

  assert {
    condition     = aws_lb_listener.this.default_action[0].type == "fixed-response"
    error_message = "only the rule carries traffic"
  }

  assert {
    condition     = output.environment_file == file("tests/rule.yaml")
    error_message = "the environment file is not tests/rule.yaml:\n${output.environment_file}"
  }
}

run "host" {
  variables {
    rule = { priority = 10, host = "shop.example.com" }
  }

  assert {
    condition     = strcontains(output.environment_file, "rule: { host: \"shop.example.com\" }")
    error_message = output.environment_file
  }
}

# A later apply, even one that would now be born with other weights, leaves them alone.
run "weights_belong_to_switchback" {
  variables {
    colors = ["green", "blue"]
  }

  assert {
    condition = {
      for group in aws_lb_listener_rule.this[0].action[0].forward[0].target_group : split("/", group.arn)[1] => group.weight
    } == { blue = 100, green = 0 }
    error_message = "Terraform moved the traffic"
  }
}

run "name_too_long" {
  command = plan

  variables {
    name = "a-service-with-a-long-name-prod"
  }

  expect_failures = [var.name]
}

run "rule_with_path_and_host" {
  command = plan

  variables {
    rule = { priority = 10, path = "/*", host = "shop.example.com" }
  }

  expect_failures = [var.rule]
}
