# Each resource of the provider for a service that Skylift has, a file each, and a module for each service.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  s3_use_path_style = true # 127.0.0.1 has no subdomains
  default_tags {
    tags = { made = "terraform" }
  }
}

variable "step" {
  description = "1 when all is made, 2 when it is changed"
  type        = number
  default     = 1
}

module "iam" {
  source = "./iam"
  step   = var.step
}

module "ssm" {
  source = "./ssm"
  step   = var.step
}

module "secretsmanager" {
  source = "./secretsmanager"
  step   = var.step
}

module "kms" {
  source = "./kms"
  step   = var.step
}

module "ecr" {
  source = "./ecr"
  step   = var.step
}

module "s3" {
  source = "./s3"
  step   = var.step
}

module "efs" {
  source = "./efs"
  step   = var.step
}

module "elb" {
  source = "./elb"
  step   = var.step
}

module "route53" {
  source = "./route53"
  step   = var.step
}

module "vpc" {
  source = "./vpc"
  step   = var.step
}

# What each resource is imported by, by its address, as Terraform takes it. Those that the provider can't import, or of which it then
# lacks what was said only when they were made, aren't there.
output "imports" {
  value = join("\n", flatten([
    for service, ids in {
      iam            = module.iam.imports
      ssm            = module.ssm.imports
      secretsmanager = module.secretsmanager.imports
      kms            = module.kms.imports
      ecr            = module.ecr.imports
      s3             = module.s3.imports
      efs            = module.efs.imports
      elb            = module.elb.imports
      route53        = module.route53.imports
      vpc            = module.vpc.imports
    } : [for resource, id in ids : "import {\n  to = module.${service}.${resource}\n  id = ${jsonencode(id)}\n}"]
  ]))
}
