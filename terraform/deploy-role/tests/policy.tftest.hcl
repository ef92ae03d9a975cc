# The policy as AWS gets it, made by the real provider; only the identity is made up, so no call leaves the machine.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

variables {
  name                = "shop-prod"
  trust_policy        = "{}"
  target_group_arns   = ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-prod-blue/0123456789abcdef"]
  launch_template_arn = "arn:aws:ec2:eu-west-1:123456789012:launch-template/lt-0123456789abcdef0"
  subnet_ids          = ["subnet-a", "subnet-b"]
  security_group_ids  = ["sg-a"]
}

run "listener_rule" {
  command = plan

  variables {
    rule_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop-prod/0123456789abcdef/0123456789abcdef/0123456789abcdef"
  }

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.this.json) == jsondecode(file("tests/listener-rule.json"))
    error_message = "the policy is not tests/listener-rule.json:\n${data.aws_iam_policy_document.this.json}"
  }
}

run "records" {
  command = plan

  variables {
    dns               = { zone_arn = "arn:aws:route53:::hostedzone/Z0123456789", record = "shop.example.com", type = "A" }
    instance_role_arn = "arn:aws:iam::123456789012:role/shop"
    journal           = { bucket = "acme-releases", prefix = "switchback" }
  }

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.this.json) == jsondecode(file("tests/records.json"))
    error_message = "the policy is not tests/records.json:\n${data.aws_iam_policy_document.this.json}"
  }
}

run "default_action" {
  command = plan

  variables {
    listener_arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop-prod/0123456789abcdef/0123456789abcdef"
  }

  assert {
    condition = [
      for statement in jsondecode(data.aws_iam_policy_document.this.json).Statement : statement.Resource
      if statement.Action == "elasticloadbalancing:ModifyListener"
    ] == [var.listener_arn]
    error_message = data.aws_iam_policy_document.this.json
  }
}
