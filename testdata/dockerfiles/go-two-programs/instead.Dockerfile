FROM golang:1.22-bookworm AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
RUN mkdir -p /out && \
    go build -o /out/api ./cmd/api && \
    go build -o /out/worker ./cmd/worker

FROM debian:bookworm-slim AS worker
COPY --from=build --chown=900 /out/worker /worker
USER 900
ENTRYPOINT ["/worker"]
