output "launch_template_name" {
  description = "Name of the launch template."
  value       = aws_launch_template.this.name
}

output "launch_template_arn" {
  description = "ARN of the launch template."
  value       = aws_launch_template.this.arn
}

output "security_group_id" {
  description = "Security group of the instances."
  value       = aws_security_group.instances.id
}
