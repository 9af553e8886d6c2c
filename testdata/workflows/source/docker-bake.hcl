variable "REGISTRY_IMAGE" { default = "registry.test/app" }
variable "VERSION" { default = "dev" }

target "docker-metadata-action" {}

group "default" { targets = ["app", "debug"] }

target "_common" {
  args      = { VERSION = VERSION }
  platforms = ["linux/amd64", "linux/arm64"]
}

target "app" {
  inherits = ["_common", "docker-metadata-action"]
}

target "debug" {
  inherits = ["_common"]
  target   = "debug"
  tags     = ["${REGISTRY_IMAGE}:debug"]
  labels   = { "org.example.kind" = "debug" }
}
