# syntax=docker/dockerfile:1
FROM registry.example/python-with-tini
COPY --from=ghcr.io/astral-sh/uv:latest /usr/bin/busybox /bin/uv
WORKDIR /app
COPY pyproject.toml .
COPY deps /deps
ENV PYTHONPATH=/deps
COPY --chmod=755 <<-run.sh /usr/local/bin/run
	#!/bin/sh
	exec python -m app
run.sh
USER 1000:1000
