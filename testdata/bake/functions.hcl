variable "VERSION" { default = "1.4.2-rc.1" }
variable "LATEST" { default = "true" }

function "tags" {
  params = [image]
  variadic_params = suffixes
  result = flatten([
    "${image}:${major(VERSION)}",
    [for suffix in suffixes : "${image}:${VERSION}-${suffix}"],
    equal(LATEST, "true") ? "${image}:latest" : "",
  ])
}

function "major" {
  params = [version]
  result = split(".", version)[0]
}

group "default" { targets = ["app"] }

target "app" {
  tags = compact(tags("registry.test/app", "alpine", "slim"))
  labels = merge({ a = "1", b = "2" }, { b = "3" })
  args = {
    JOINED  = join(",", keys({ z = 1, a = 2 }))
    FORMAT  = format("%s/%d%%", lower("APP"), 7)
    MATH    = (1 + 2) * 3 - 4
    BOOL    = !(1 > 2) && true
    OBJECT  = { for key, value in { x = "1", y = "2" } : upper(key) => "${key}${value}" if value != "1" }["Y"]
    LOOKUP  = lookup({ a = "b" }, "c", "none")
    COUNT   = length(["a", "b"])
  }
}
