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

  mock_data "aws_route53_zone" {
    defaults = { name = "example.com" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/0123456789abcdef" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/0123456789abcdef/0123456789abcdef" }
  }
}

variables {
  name                  = "shop-prod"
  vpc_id                = "vpc-1"
  zone_id               = "Z0123456789"
  record                = "shop.example.com"
  load_balancer_subnets = ["subnet-c", "subnet-d"]
  listener_port         = 80
  port                  = 8080
  instance_count        = 3
  instance_type         = "t3.small"
  instance_subnets      = ["subnet-a", "subnet-b"]
  runner_cidrs          = ["10.0.0.0/16"]
  runner_trust_policy   = "{}"
  smoke_path            = "/healthz"
  journal               = { bucket = "acme-releases", prefix = "switchback" }
}

run "records" {
  assert {
    condition = {
      for record in aws_route53_record.color : record.set_identifier => record.weighted_routing_policy[0].weight
    } == { blue = 100, green = 0 }
    error_message = "the set identifiers are the colors, and the first has the traffic"
  }

  assert {
    condition     = output.environment_file == file("tests/records.yaml")
    error_message = "the environment file is not tests/records.yaml:\n${output.environment_file}"
  }
}

# A later apply, even one that would now be born with other weights, leaves them alone.
run "weights_belong_to_switchback" {
  variables {
    colors = ["green", "blue"]
  }

  assert {
    condition = {
      for record in aws_route53_record.color : record.set_identifier => record.weighted_routing_policy[0].weight
    } == { blue = 100, green = 0 }
    error_message = "Terraform moved the traffic"
  }
}

run "record_with_final_dot" {
  command = plan

  variables {
    record = "shop.example.com."
  }

  expect_failures = [var.record]
}
