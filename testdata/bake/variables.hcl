// Variables with defaults, which the environment overrides, and a registry that may be empty.
variable "REGISTRY" { default = "registry.test" }
variable "TAG" { default = "latest" }
variable "DEBUG" { default = false }
variable "WORKERS" {
  type        = number
  default     = 4
  description = "processes of the server"
}
variable "EXTRA" {}
variable "EXTRA_TAGS" {
  type    = list(string)
  default = ["edge"]
}

image = "${REGISTRY}/team/app"

target "default" {
  tags = notequal("", TAG) ? concat(["${image}:${TAG}"], [for one in EXTRA_TAGS : "${image}:${one}"]) : []
  args = {
    DEBUG   = DEBUG
    WORKERS = WORKERS
    HALF    = WORKERS / 8
    EXTRA   = EXTRA != "" ? EXTRA : null
    "NOT.EXPANDED" = "$${HOME} and 100%"
  }
  labels = {
    "org.opencontainers.image.version" = TAG
    "org.opencontainers.image.title"   = "<app> & \"more\" \\ ${upper(TAG)}"
  }
  no-cache = DEBUG
  pull     = true
}
