FROM alpine:3.20
LABEL maintainer="shop@example.com"
ENV DATA=/data
COPY accounts/ /etc/
COPY --chmod=755 docker-entrypoint.sh healthcheck.sh /usr/local/bin/
USER shop
WORKDIR $DATA
VOLUME /data
HEALTHCHECK --interval=5m --timeout=3s CMD healthcheck.sh
ENTRYPOINT ["docker-entrypoint.sh"]
