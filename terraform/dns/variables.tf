variable "name" {
  description = "Name of the environment: unique per account and region; every resource is named after it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]+[a-z0-9]$", var.name)) && !startswith(var.name, "internal-")
    error_message = "The name has at least three lower-case letters, digits and hyphens, and does not start with internal-."
  }

  # AWS's limit for target groups and load balancers is 32.
  validation {
    condition     = alltrue([for color in var.colors : length("${var.name}-${color}") <= 32])
    error_message = "The name, a hyphen and a color together have at most 32 characters."
  }
}

variable "zone_id" {
  description = "Hosted zone of the record."
  type        = string
}

variable "record" {
  description = "Full name of the weighted records, without the final dot."
  type        = string

  validation {
    condition     = !endswith(var.record, ".") && lower(var.record) == var.record
    error_message = "The record is written in lower case and without the final dot."
  }
}

variable "colors" {
  description = "Names of the two colors. The first has the traffic until switchback moves it."
  type        = list(string)
  default     = ["blue", "green"]

  validation {
    condition     = length(var.colors) == 2 && length(distinct(var.colors)) == 2
    error_message = "An environment has two colors with different names."
  }

  validation {
    condition     = alltrue([for color in var.colors : can(regex("^[a-z0-9][a-z0-9-]*$", color))])
    error_message = "A color is named in lower-case letters, digits and hyphens."
  }
}

variable "vpc_id" {
  description = "VPC of the load balancers and the instances."
  type        = string
}

variable "load_balancer_subnets" {
  description = "Subnets of both load balancers, at least two, in different zones that include every zone of the instances."
  type        = list(string)
}

variable "internal" {
  description = "Whether the load balancers have private addresses only."
  type        = bool
  default     = false
}

variable "client_cidrs" {
  description = "IPv4 ranges that may reach the listeners."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "listener_port" {
  description = "Port of both listeners."
  type        = number
  default     = 443
}

variable "certificate_arn" {
  description = "ACM certificate of both listeners. Without one they speak plain HTTP."
  type        = string
  default     = null
}

variable "ssl_policy" {
  description = "TLS policy of both listeners, where they have a certificate."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
}

variable "client_keep_alive" {
  description = "How long a client may keep a connection to one load balancer, in seconds. It stays with a color that long after a flip."
  type        = number
  default     = 60
}

variable "port" {
  description = "Port on which an instance serves HTTP."
  type        = number
}

variable "health_check" {
  description = "How the load balancer checks an instance. Times in seconds; the port is the traffic port if null."
  type = object({
    path                = optional(string, "/")
    port                = optional(number)
    matcher             = optional(string, "200")
    interval            = optional(number, 10)
    timeout             = optional(number, 5)
    healthy_threshold   = optional(number, 2)
    unhealthy_threshold = optional(number, 2)
  })
  default = {}
}

variable "deregistration_delay" {
  description = "How long requests in flight may take to finish when an instance is taken down, in seconds."
  type        = number
  default     = 60
}

variable "instance_count" {
  description = "How many instances a color has."
  type        = number

  validation {
    condition     = var.instance_count >= 1
    error_message = "A color has at least one instance."
  }
}

variable "instance_subnets" {
  description = "Subnets over which the instances of a color are spread."
  type        = list(string)
}

variable "instance_type" {
  description = "Instance type; its architecture must be the image's."
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

variable "image_owners" {
  description = "Owners of the images that may be released: account ids, amazon or aws-marketplace. This account if null."
  type        = list(string)
  default     = null
}

variable "runner_cidrs" {
  description = "IPv4 ranges from which switchback reaches the instances for smoke checks."
  type        = list(string)
  default     = []
}

variable "runner_trust_policy" {
  description = "Who may assume the deploy role: a trust policy as JSON."
  type        = string
}

variable "smoke_path" {
  description = "Path of the smoke check in the environment file."
  type        = string
  default     = "/"
}

variable "retain" {
  description = "How long the previous color stays warm after a release, in the environment file."
  type        = string
  default     = "24h"
}

variable "journal" {
  description = "The bucket and prefix of the environment's journal, which the deploy role may then use. In a folder if null."
  type = object({
    bucket = string
    prefix = string
  })
  default = null
}

variable "tags" {
  description = "Tags for every resource."
  type        = map(string)
  default     = {}
}
