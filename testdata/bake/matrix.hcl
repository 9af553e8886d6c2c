# A target for each version; the label becomes a group of them.
target "python" {
  name   = "python-${replace(version, ".", "-")}"
  matrix = {
    version = ["3.11", "3.12", "3.13"]
  }
  args     = { PYTHON_VERSION = version }
  tags     = ["registry.test/python:${version}", version == "3.13" ? "registry.test/python:latest" : ""]
  platforms = ["linux/amd64", "linux/arm64"]
}
