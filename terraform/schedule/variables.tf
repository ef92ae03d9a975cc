variable "name" {
  description = "What the schedule is called after: a team, a project."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{1,40}$", var.name))
    error_message = "1 to 40 letters, digits, dots, underscores and hyphens."
  }
}

variable "runner_tag" {
  description = "Tag of the machine that releases are made from. It needs the SSM agent, the program and the deploy roles."
  type        = object({ key = string, value = string })
}

variable "folder" {
  description = "Folder on that machine whose folder `environments` holds the environment files."
  type        = string
}

variable "user" {
  description = "User on that machine who runs the program, and owns a journal that is a folder."
  type        = string
  default     = "switchback"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_-]*$", var.user))
    error_message = "The name of a Linux user."
  }
}

variable "program" {
  description = "Path of the program on that machine."
  type        = string
  default     = "/usr/local/bin/switchback"

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]+$", var.program))
    error_message = "An absolute path without blanks."
  }
}

variable "every" {
  description = "How often it runs, as an expression of EventBridge Scheduler."
  type        = string
  default     = "rate(1 minute)"
}

variable "timeout_seconds" {
  description = "After this time a run is cut off; the next one goes on from the journal."
  type        = number
  default     = 3600
}

variable "failure_topic_arn" {
  description = "SNS topic that is told of runs that fail, if any; its policy must let events.amazonaws.com publish."
  type        = string
  default     = null
}

variable "enabled" {
  description = "Whether it runs."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags for what can have them."
  type        = map(string)
  default     = {}
}
