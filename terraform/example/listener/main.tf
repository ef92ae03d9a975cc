# A shop behind one load balancer: /api/* is released by switchback.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "region" {
  description = "Region to build in."
  type        = string
  default     = "eu-west-1"
}

variable "vpc_id" {
  description = "VPC to build in."
  type        = string
}

variable "public_subnets" {
  description = "Two public subnets, in different zones."
  type        = list(string)
}

variable "private_subnets" {
  description = "Two private subnets, in the same zones."
  type        = list(string)
}

variable "runner_role_arn" {
  description = "The role of the machine that runs switchback; it may assume the deploy role."
  type        = string
}

variable "runner_cidrs" {
  description = "Private IPv4 ranges from which that machine reaches the instances for smoke checks."
  type        = list(string)
}

provider "aws" {
  region = var.region
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.runner_role_arn]
    }
  }
}

module "shop" {
  source = "../../listener"

  name                  = "shop-prod"
  vpc_id                = var.vpc_id
  load_balancer_subnets = var.public_subnets
  listener_port         = 80
  rule                  = { priority = 10, path = "/api/*" }

  port             = 8080
  health_check     = { path = "/healthz" }
  instance_count   = 3
  instance_type    = "t3.small"
  instance_subnets = var.private_subnets

  runner_trust_policy = data.aws_iam_policy_document.trust.json
  runner_cidrs        = var.runner_cidrs
  smoke_path          = "/healthz"
}

output "environment_file" {
  description = "The environment file for switchback."
  value       = module.shop.environment_file
}

output "deploy_role_arn" {
  description = "The role that switchback runs as."
  value       = module.shop.deploy_role_arn
}

output "url" {
  description = "Where clients go."
  value       = "http://${module.shop.load_balancer_dns_name}/api/"
}
