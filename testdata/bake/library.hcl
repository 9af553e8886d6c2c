# Functions of HCL as public files call them.
variable "REF" { default = "refs/heads/feature/Some_thing" }
variable "VERSION" { default = "v1.12.3-rc.1" }
variable "LEGACY" { default = ["legacy"] }

function "major" {
  params = [version]
  result = can(regex("^v?(\\d+)", version)) ? regex("^v?(\\d+)", version)[0] : "0"
}

function "without" {
  params = [names, excluded]
  result = sethaselement(LEGACY, "legacy") ? setsubtract(names, excluded) : names
}

group "default" { targets = without(["server", "client", "legacy"], ["legacy"]) }

target "_base" {
  labels = {
    made = formatdate("YYYY-MM-DD'T'hh:mm:ssZ", timeadd("2025-01-31T23:30:00+02:00", "1h"))
  }
}

target "server" {
  inherits = ["_base"]
  args = {
    branch     = regex_replace(regex_replace(REF, "^refs/(heads|tags)/", ""), "[^a-zA-Z0-9.]+", "-")
    major      = major(VERSION)
    none       = major("latest")
    minor      = join(".", slice(split(".", trimprefix(VERSION, "v")), 0, 2))
    short      = substr(sha1("demo"), 0, 7)
    last       = element(split("/", REF), -1)
    encoded    = base64encode(jsonencode({ b = [1, true, null], a = "<é>" }))
    decoded    = jsondecode("{\"a\": [1.50, \"x\"]}").a[0]
    fallback   = try(LEGACY[7], { a = "b" }.c, "last")
    numbers    = join(",", range(0, 1, 0.25))
    rounded    = "${ceil(1.2)} ${floor(-1.2)} ${int(1.9)} ${max(1, 3, 2)} ${parseint("ff", 16)}"
    pairs      = join(" ", [for pair in setproduct(["a", "b"], ["1", "2"]) : join("-", pair)])
    set        = join(",", setunion(["b", "a"], ["c", "a"]))
    chunks     = join(" ", [for chunk in chunklist(["a", "b", "c"], 2) : join("+", chunk)])
    zipped     = zipmap(["a", "b"], ["x", "y"]).b
    converted  = convert("1", number) == 1
    titled     = title("hello world it's")
    folder     = dirname("//a/../b/c")
    lines      = indent(2, "a\nb")
    escaped    = urlencode("a b/é")
    found      = join(",", regexall("[0-9]+", VERSION))
    between    = regex_replace("abab", "b*", "-")
    groups     = regex_replace(VERSION, "^v(?P<major>\\d+)\\.(\\d+).*$", "$${major}.$2.$9$$")
    sorted     = join(",", sort(["b", "a", "C"]))
  }
}

target "client" { inherits = ["_base"] }
target "legacy" {}
