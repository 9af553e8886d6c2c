group "default" {
  targets = ["services", "docs"]
}

target "services" {
  name = "${item.name}-service"
  matrix = {
    item = [
      { name = "api", port = 8080, tags = ["v1", "latest"] },
      { name = "worker", port = 0, tags = [] },
    ]
  }
  context    = "services/${item.name}/"
  dockerfile = "../Dockerfile"
  args       = { PORT = item.port }
  tags       = formatlist("registry.test/%s:%s", item.name, item.tags)
  target     = item["name"]
}

target "docs" {
  dockerfile-inline = <<-EOT
    FROM scratch
    # ${item} is not expanded: $${item}

      COPY docs /docs
  EOT
  contexts = { docs = "docker-image://registry.test/docs:1", gone = "" }
}

item = "docs"
