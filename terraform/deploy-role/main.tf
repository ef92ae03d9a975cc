# The role that switchback runs as: what the program calls, on this environment, and nothing else.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags    = merge(var.tags, { "switchback:environment" = var.name })
  account = data.aws_caller_identity.current.account_id
  ec2     = "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.id}"
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-switchback"
  description        = "Releases ${var.name} with switchback"
  assume_role_policy = var.trust_policy
  tags               = local.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "switchback"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "this" {
  # AWS cannot narrow these down to a resource.
  statement {
    sid = "Look"
    actions = [
      "cloudwatch:GetMetricData",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeInstances",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:DescribeSubnets",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeLoadBalancers",
      "elasticloadbalancing:DescribeRules",
      "elasticloadbalancing:DescribeTargetGroupAttributes",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
      "sts:GetCallerIdentity",
    ]
    resources = ["*"]
  }

  statement {
    sid = "FillTargetGroups"
    actions = [
      "elasticloadbalancing:DeregisterTargets",
      "elasticloadbalancing:RegisterTargets",
    ]
    resources = var.target_group_arns
  }

  dynamic "statement" {
    for_each = var.rule_arn == null ? [] : [var.rule_arn]

    content {
      sid       = "FlipRule"
      actions   = ["elasticloadbalancing:ModifyRule"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.listener_arn == null ? [] : [var.listener_arn]

    content {
      sid       = "FlipDefaultAction"
      actions   = ["elasticloadbalancing:ModifyListener"]
      resources = [statement.value]
    }
  }

  # RunInstances is checked once per resource that a launch touches; each needs its own statement to allow it.
  statement {
    sid       = "LaunchTagged"
    actions   = ["ec2:RunInstances"]
    resources = ["${local.ec2}:${local.account}:instance/*", "${local.ec2}:${local.account}:volume/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/switchback:environment"
      values   = [var.name]
    }

    condition {
      test     = "ArnEquals"
      variable = "ec2:LaunchTemplate"
      values   = [var.launch_template_arn]
    }
  }

  statement {
    sid     = "LaunchHere"
    actions = ["ec2:RunInstances"]
    resources = concat(
      [var.launch_template_arn, "${local.ec2}:${local.account}:network-interface/*"],
      [for id in var.subnet_ids : "${local.ec2}:${local.account}:subnet/${id}"],
      [for id in var.security_group_ids : "${local.ec2}:${local.account}:security-group/${id}"],
    )
  }

  statement {
    sid       = "LaunchImages"
    actions   = ["ec2:RunInstances"]
    resources = ["${local.ec2}::image/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:Owner"
      values   = coalesce(var.image_owners, [local.account])
    }
  }

  # Only as part of a launch: nobody can adopt an instance of somebody else by tagging it.
  statement {
    sid       = "TagAtLaunch"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2}:${local.account}:instance/*", "${local.ec2}:${local.account}:volume/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["RunInstances"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/switchback:environment"
      values   = [var.name]
    }
  }

  statement {
    sid       = "TerminateOwn"
    actions   = ["ec2:TerminateInstances"]
    resources = ["${local.ec2}:${local.account}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/switchback:environment"
      values   = [var.name]
    }
  }

  dynamic "statement" {
    for_each = var.instance_role_arn == null ? [] : [var.instance_role_arn]

    content {
      sid       = "PassInstanceRole"
      actions   = ["iam:PassRole"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = ["ec2.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }

  # A zone is found by its name, and a change is followed by its id: neither names a resource of ours.
  dynamic "statement" {
    for_each = var.dns == null ? [] : [var.dns]

    content {
      sid       = "FollowZoneChanges"
      actions   = ["route53:GetChange", "route53:ListHostedZonesByName"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.dns == null ? [] : [var.dns]

    content {
      sid       = "ReadZone"
      actions   = ["route53:ListResourceRecordSets"]
      resources = [statement.value.zone_arn]
    }
  }

  dynamic "statement" {
    for_each = var.dns == null ? [] : [var.dns]

    content {
      sid       = "FlipRecords"
      actions   = ["route53:ChangeResourceRecordSets"]
      resources = [statement.value.zone_arn]

      condition {
        test     = "ForAllValues:StringEquals"
        variable = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
        values   = [lower(statement.value.record)]
      }

      condition {
        test     = "ForAllValues:StringEquals"
        variable = "route53:ChangeResourceRecordSetsRecordTypes"
        values   = [statement.value.type]
      }

      # The old record is deleted as it was read and created with its new weight, both or neither.
      condition {
        test     = "ForAllValues:StringEquals"
        variable = "route53:ChangeResourceRecordSetsActions"
        values   = ["CREATE", "DELETE"]
      }
    }
  }

  # Without a condition on the prefix: with one, S3 says 403 instead of 404 of an entry that is not there.
  dynamic "statement" {
    for_each = var.journal == null ? [] : [var.journal]

    content {
      sid       = "ListJournal"
      actions   = ["s3:ListBucket"]
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${statement.value.bucket}"]
    }
  }

  dynamic "statement" {
    for_each = var.journal == null ? [] : [var.journal]

    content {
      sid       = "ReadJournal"
      actions   = ["s3:GetObject"]
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${statement.value.bucket}/${statement.value.prefix}/${var.name}/*"]
    }
  }

  # Only where nothing is yet: an entry is never overwritten, and nothing here deletes one.
  dynamic "statement" {
    for_each = var.journal == null ? [] : [var.journal]

    content {
      sid       = "AppendToJournal"
      actions   = ["s3:PutObject"]
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${statement.value.bucket}/${statement.value.prefix}/${var.name}/*"]

      condition {
        test     = "Null"
        variable = "s3:if-none-match"
        values   = ["false"]
      }
    }
  }
}
