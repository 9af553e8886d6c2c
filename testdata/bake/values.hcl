# How values are shown, compared and converted.
variable "TENTH" { default = 0.5 }

variable "LEVEL" {
  type    = bool
  default = "1"
}

variable "PORTS" {
  type    = set(number)
  default = ["443", 80, 443]
}

variable "NAMES" {
  type    = list(string)
  default = ["b", 1, true]
}

variable "BUILD" {
  type    = map(string)
  default = { os = "linux", level = 2 }
}

variable "PAIR" {
  type    = tuple([string, number])
  default = [1, "2"]
}

variable "ENTRY" {
  type    = object({ name = string, size = number })
  default = { name = "a", size = "3", more = "left out" }
}

function "upper" {
  params = [text]
  result = "not this one"
}

target "parent" {
  args      = { count = 1, none = null }
  pull      = "true"
  output    = ["type=local,dest=out"]
  tags      = ["demo:1"]
  secret    = [{ id = "token", env = "TOKEN" }]
  cache-from = ["demo/cache"]
}

target "default" {
  args = {
    third          = 1 / 3
    thirds         = 10 / 3 * 3
    sum            = 0.1 + 0.2
    with_a_double  = TENTH + 0.2
    long           = 12345678901234567890123456789012345678901234567890
    modulo         = -7.5 % 2
    large          = 1.5e40
    small          = 1e-9
    from_text      = "6" * "7"
    accent         = "e\u0301"
    accents        = length(split("", "e\u0301x"))
    sharp          = upper("stra\u00dfe")
    dotted         = lower("\u0130")
    separator      = trimspace("\u001ca\u00a0")
    percent        = format("100%% of %s", "a")
    nothing        = format("%v", null)
    distinct       = join(",", distinct([1, "1", true, "true"]))
    one_type       = (true ? 1 : "a") == "1"
    grouped        = join(",", { for word in ["a", "b", "a"] : word => "${word}!"... }["a"])
    other_side     = true ? "fine" : ["a"][7]
    level          = LEVEL
    ports          = join(",", PORTS)
    names          = join(",", NAMES)
    build          = join(",", values(BUILD))
    pair           = "${PAIR[0] == "1"} ${PAIR[1] == 2}"
    entry          = join(",", keys(ENTRY))
    count_is_text  = target.parent.args.count == "1"
    none_is_there  = target.parent.args.none == null
    pull_is_bool   = target.parent.pull == true
    place          = target.parent.output[0].dest
    env            = target.parent.secret[0].env
    reference      = target.parent.cache-from[0].ref
    either_decides = "${true || NOWHERE} ${["a"][3] && false} ${null && ["a"][3]}"
    what_is_unset  = target.parent.context == null
  }
  attest = ["type=sbom,Disabled=1", "type=provenance,Builder-ID=x"]
  output = ["TYPE=image"]
}
