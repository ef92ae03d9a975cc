variable "name" {
  description = "Name of the environment; the value of the tag switchback:environment."
  type        = string
}

variable "trust_policy" {
  description = "Who may assume the role: a trust policy as JSON."
  type        = string
}

variable "target_group_arns" {
  description = "The target groups of both colors."
  type        = list(string)
}

variable "rule_arn" {
  description = "The listener rule whose weights switchback changes, if any."
  type        = string
  default     = null
}

variable "listener_arn" {
  description = "The listener whose default action switchback changes, if any."
  type        = string
  default     = null
}

variable "dns" {
  description = "The weighted records that switchback changes, if any."
  type = object({
    zone_arn = string
    record   = string
    type     = string
  })
  default = null
}

variable "journal" {
  description = "The bucket and prefix of the environment's journal, if it is in a bucket."
  type = object({
    bucket = string
    prefix = string
  })
  default = null

  validation {
    condition     = var.journal == null ? true : can(regex("^[^/]+(/[^/]+)*$", var.journal.prefix))
    error_message = "The prefix has at least one part, and no slash before or after it."
  }
}

variable "launch_template_arn" {
  description = "The launch template of the instances."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets into which instances are launched."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups in the launch template."
  type        = list(string)
}

variable "instance_role_arn" {
  description = "Role of the template's instance profile, if it has one."
  type        = string
  default     = null
}

variable "image_owners" {
  description = "Owners of the images that may be released: account ids, amazon or aws-marketplace. This account if null."
  type        = list(string)
  default     = null
}

variable "tags" {
  description = "Tags for the role."
  type        = map(string)
  default     = {}
}
