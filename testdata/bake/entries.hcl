# Outputs, caches, secrets, agents and attestations, as texts and as objects.
target "default" {
  context = "./app/../app"
  output = [
    "type=image,\"name=registry.test/a:1,registry.test/a:2\",push=true",
    { type = "oci", dest = "out/app.tar" },
  ]
  cache-from = [{ type = "gha", scope = "main" }, "type=local,src=cache"]
  cache-to   = [{ type = "gha", scope = "main", mode = "max" }]
  secret     = ["id=npm,src=.npmrc", { id = "token", env = "TOKEN" }]
  ssh        = ["default"]
  attest = [
    "type=sbom",
    { type = "provenance", mode = "max" },
    "type=sbom,disabled=true",
  ]
  network         = "host"
  shm-size        = "128m"
  ulimits         = ["nofile=1024:2048"]
  no-cache-filter = ["build", "build"]
  entitlements    = ["network.host"]
  extra-hosts     = { "db.test" = "10.0.0.1" }
  call            = "check"
}
