# The schedule that runs `switchback reconcile --all` every minute, on the machine that releases are made from: EventBridge
# Scheduler tells Systems Manager to run one fixed command there. Nothing else can be run with these permissions.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account  = data.aws_caller_identity.current.account_id
  region   = data.aws_region.current.id
  arn      = "arn:${data.aws_partition.current.partition}"
  document = "${var.name}-switchback-reconcile"
}

# The command has no parameters, so who may run it can run nothing but it. An environment that is being worked on is left
# alone, so a run that takes longer than a minute is not in the way of the next one.
resource "aws_ssm_document" "this" {
  name            = local.document
  document_type   = "Command"
  document_format = "JSON"
  tags            = var.tags

  content = jsonencode({
    schemaVersion = "2.2"
    description   = "Goes on with unfinished releases, and takes down what has expired"
    mainSteps = [{
      action = "aws:runShellScript"
      name   = "reconcile"
      inputs = {
        workingDirectory = var.folder
        timeoutSeconds   = tostring(var.timeout_seconds)
        runCommand       = ["exec runuser -u ${var.user} -- ${var.program} reconcile --all"]
      }
    }]
  })
}

resource "aws_scheduler_schedule" "this" {
  name                = local.document
  description         = "switchback reconcile --all"
  schedule_expression = var.every
  state               = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "${local.arn}:scheduler:::aws-sdk:ssm:sendCommand"
    role_arn = aws_iam_role.this.arn

    input = jsonencode({
      DocumentName = aws_ssm_document.this.name
      Targets      = [{ Key = "tag:${var.runner_tag.key}", Values = [var.runner_tag.value] }]
    })

    # The next minute comes anyway.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.document
  description        = "Runs switchback reconcile on a schedule"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "run"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.run.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "run" {
  statement {
    sid       = "ThisCommand"
    actions   = ["ssm:SendCommand"]
    resources = ["${local.arn}:ssm:${local.region}:${local.account}:document/${local.document}"]
  }

  statement {
    sid       = "OnThisMachine"
    actions   = ["ssm:SendCommand"]
    resources = ["${local.arn}:ec2:${local.region}:${local.account}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/${var.runner_tag.key}"
      values   = [var.runner_tag.value]
    }
  }
}

# A run that ends with another code than 0 has failed: a release was undone, or a person must decide.
resource "aws_cloudwatch_event_rule" "failed" {
  count = var.failure_topic_arn == null ? 0 : 1

  name        = "${local.document}-failed"
  description = "switchback reconcile ended with another code than 0"
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.ssm"]
    detail-type = ["EC2 Command Status-change Notification"]
    detail = {
      document-name = [local.document]
      status        = ["Failed", "TimedOut", "Undeliverable"]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  count = var.failure_topic_arn == null ? 0 : 1

  rule = aws_cloudwatch_event_rule.failed[0].name
  arn  = var.failure_topic_arn
}
