# One image, as a first bake file has it.
group "default" {
  targets = ["app"]
}

target "app" {
  context    = "."
  dockerfile = "Dockerfile"
  tags       = ["registry.test/team/app:latest"]
  platforms  = ["linux/amd64", "linux/arm64"]
}
