variable "name" {
  description = "Name of the environment."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the instances."
  type        = string
}

variable "load_balancer_security_group_id" {
  description = "Security group of the load balancer(s) that may reach the instances."
  type        = string
}

variable "port" {
  description = "Port on which an instance serves."
  type        = number
}

variable "health_check_port" {
  description = "Port on which an instance answers health checks."
  type        = number
}

variable "instance_type" {
  description = "Instance type."
  type        = string
}

variable "user_data" {
  description = "User data as plain text, where the image needs any."
  type        = string
  default     = null
}

variable "instance_profile" {
  description = "Instance profile of the instances, with its role."
  type = object({
    arn      = string
    role_arn = string
  })
  default = null
}

variable "runner_cidrs" {
  description = "IPv4 ranges from which switchback reaches the instances for smoke checks."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags for every resource."
  type        = map(string)
  default     = {}
}
