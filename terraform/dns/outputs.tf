data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

output "environment_file" {
  description = "The environment file for switchback: terraform output -raw environment_file > shop.yaml"
  value = templatefile("${path.module}/environment.yaml.tftpl", {
    name                 = var.name
    region               = data.aws_region.current.id
    account              = data.aws_caller_identity.current.account_id
    first_color          = var.colors[0]
    first_target_group   = aws_lb_target_group.color[var.colors[0]].name
    first_load_balancer  = aws_lb.color[var.colors[0]].name
    second_color         = var.colors[1]
    second_target_group  = aws_lb_target_group.color[var.colors[1]].name
    second_load_balancer = aws_lb.color[var.colors[1]].name
    zone                 = trimsuffix(data.aws_route53_zone.this.name, ".")
    record               = var.record
    listener_port        = var.listener_port
    launch_template      = module.fleet.launch_template_name
    instance_count       = var.instance_count
    instance_subnets     = join(", ", var.instance_subnets)
    smoke_path           = jsonencode(var.smoke_path)
    retain               = var.retain
    journal              = var.journal == null ? "" : "\njournal: s3://${var.journal.bucket}/${var.journal.prefix}"
  })
}

output "deploy_role_arn" {
  description = "The role that switchback runs as."
  value       = module.deploy_role.arn
}
