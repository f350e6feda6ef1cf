variable "region" {
  description = "Where everything lies. Evidence seldom may leave its country."
  type        = string
}

variable "evidence_bucket" {
  description = "Name of the bucket for evidence."
  type        = string
}

variable "published_bucket" {
  description = "Name of the bucket for the published log."
  type        = string
}

variable "half_sent_days" {
  description = "After so many days S3 drops the parts of an unfinished file. Longer than the longest --half-sent-hours of any appeal (72 by default), or witnesses lose what they may still finish."
  type        = number
  default     = 7

  validation {
    condition     = var.half_sent_days > 3
    error_message = "Half-sent files can be finished for 72 hours by default: four days at the least."
  }
}

variable "database_class" {
  description = "8 GiB of memory, and some 800 connections; three servers and two workers take 120."
  type        = string
  default     = "db.m7g.large"
}

variable "vpc_id" {
  description = "The network that the servers are in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in two zones at the least."
  type        = list(string)
}

variable "servers_security_group_id" {
  description = "The security group of the servers that run Témoin: they alone reach the database."
  type        = string
}
