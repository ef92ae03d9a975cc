output "document" {
  description = "Name of the Systems Manager document: `aws ssm send-command --document-name …` runs it now."
  value       = aws_ssm_document.this.name
}

output "role_arn" {
  description = "ARN of the role that the schedule has."
  value       = aws_iam_role.this.arn
}
