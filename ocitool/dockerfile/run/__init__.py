"""RUN lines: shell commands read, overrides by a toolchain, and precise refusals."""
