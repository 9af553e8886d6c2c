FROM debian:bookworm-slim
ARG TOOL_VERSION=1.4
ARG TARGETARCH
WORKDIR /opt/tool-${TOOL_VERSION}/bin
ADD downloads/tool-${TARGETARCH}.tar.gz ./
COPY links/ /usr/local/bin/
ENTRYPOINT ["current"]
