target "_common" {
  args = {
    GO_VERSION = "1.24"
    UNUSED     = null
  }
  labels = { maintainer = "team@example.test" }
  annotations = ["index:org.example.team=core"]
  cache-from  = ["type=registry,ref=registry.test/cache:main", "registry.test/cache:next"]
}

target "_platforms" {
  platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
}

target "docker-metadata-action" {
  tags = ["registry.test/app:local"]
}

target "server" {
  inherits   = ["_common", "_platforms", "docker-metadata-action"]
  dockerfile = "server/Dockerfile"
  target     = "server"
  args       = { GO_VERSION = "1.25", NAME = "server" }
  cache-to   = ["type=registry,ref=registry.test/cache:main,mode=max"]
  annotations = ["manifest:org.example.part=server", "index:org.example.team=core"]
}

target "client" {
  inherits  = ["server"]
  target    = "client"
  platforms = ["linux/amd64"]
  tags      = []
  output    = ["type=local,dest=out"]
}

group "default" { targets = ["server", "client"] }
group "release" { 
  description = "what is published"
  targets     = ["server"]
}
