variable "step" {
  type = number
}
