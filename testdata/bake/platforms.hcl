variable "CI" { default = "" }
variable "LOCAL" { default = BAKE_LOCAL_PLATFORM }
variable "LEVEL" {
  type    = number
  default = 3
  validation {
    condition     = LEVEL > 0 && LEVEL < 10
    error_message = "LEVEL is 1 to 9, and not ${LEVEL}."
  }
}

group "default" { targets = [CI != "" ? "release" : "local"] }
group "all" { targets = ["default", "release"] }

target "base" {
  args = { LEVEL = "${LEVEL}", FROM = BAKE_CMD_CONTEXT }
  context = BAKE_CMD_CONTEXT
}

target "local" {
  inherits = ["base"]
  output   = ["type=docker"]
}

target "release" {
  inherits  = ["base"]
  platforms = CI == "" ? [LOCAL] : ["linux/amd64", "linux/arm64", "linux/s390x"]
  output    = ["type=registry"]
}
