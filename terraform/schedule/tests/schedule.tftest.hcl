# What the schedule may do and what it runs, made by the real provider; only the identity is made up.

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
  name       = "acme"
  runner_tag = { key = "Role", value = "releases" }
  folder     = "/srv/shop"
}

run "least_privilege" {
  command = plan

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.run.json) == jsondecode(file("tests/run.json"))
    error_message = "the policy is not tests/run.json:\n${data.aws_iam_policy_document.run.json}"
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.failed) == 0
    error_message = "a rule without a topic"
  }
}

run "one_fixed_command" {
  command = plan

  assert {
    condition = jsondecode(aws_ssm_document.this.content).mainSteps[0].inputs.runCommand == [
      "exec runuser -u switchback -- /usr/local/bin/switchback reconcile --all"
    ]
    error_message = aws_ssm_document.this.content
  }

  assert {
    condition     = !can(jsondecode(aws_ssm_document.this.content).parameters)
    error_message = "the command takes parameters"
  }
}

run "no_shell_in_a_name" {
  command         = plan
  expect_failures = [var.user, var.program]

  variables {
    user    = "root; reboot"
    program = "/bin/sh -c reboot"
  }
}

run "failures_are_told" {
  command = plan

  variables {
    failure_topic_arn = "arn:aws:sns:eu-west-1:123456789012:on-call"
  }

  assert {
    condition     = aws_cloudwatch_event_target.failed[0].arn == var.failure_topic_arn
    error_message = "the topic is not told"
  }
}
