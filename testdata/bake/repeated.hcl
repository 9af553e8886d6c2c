# Blocks of one name, and names that a block and a matrix share.
group "default" { targets = ["first"] }
group "default" { targets = ["app", "second"] }

target "first" {}
target "second" { cache-from = ["demo/a,demo/b"] }

target "app" {
  name   = "app-${side}-${level}"
  matrix = {
    side  = ["server", "client"]
    level = { low = 1, high = 2 }
  }
  args = { LEVEL = level }
}

target "app-server-1" { tags = ["demo:server"] }

LEVEL = 1
variable "LEVEL" { default = 2 }
target "second" { args = { LEVEL = LEVEL } }
