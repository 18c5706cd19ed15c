# An unmodified provider, pointed at Skylift by AWS_ENDPOINT_URL and the keys in the environment.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  s3_use_path_style = true # 127.0.0.1 has no subdomains
  default_tags {
    tags = {
      team = "web"
      made = "terraform"
    }
  }
}

variable "step" {
  description = "1 when the stack is made, 2 when it is changed"
  type        = number
  default     = 1
}

variable "app" {
  description = "the local name of the images to push, whose tags are the steps"
  type        = string
}
