FROM alpine:3.20 AS tools
ARG TARGETARCH
ARG VERSION=2.1.0
RUN apk add --no-cache curl unzip
FROM registry.example/alpine-with-bash-git-jq
COPY --from=tools /usr/local/bin/ /usr/local/bin/
