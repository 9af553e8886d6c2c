# Read behind another file: blocks of one name come together.
variable "TAG" { default = "overridden" }
target "app" {
  args   = { LATE = "yes" }
  labels = { late = "yes" }
  tags   = ["registry.test/app:${TAG}"]
}
