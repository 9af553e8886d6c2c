group "default" { targets = ["app", "tools"] }

target "base" {
  dockerfile = "base.Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
}

target "app" {
  contexts  = { base = "target:base", assets = "./assets" }
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = target.tools.tags
}

target "tools" {
  contexts = { base = "target:base" }
  tags     = ["registry.test/tools:1"]
  args     = { BASE = target.base.dockerfile }
}
