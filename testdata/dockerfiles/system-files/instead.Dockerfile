FROM debian:12-slim
WORKDIR /opt/shop
COPY templates /usr/share/shop/
COPY docker-entrypoint.sh healthcheck.sh /usr/local/bin/
COPY <<EOF /etc/shop.enabled
EOF
COPY <<EOF /etc/shop.env
level=info
EOF
COPY templates/index.html /opt/shop/index.html
USER 900:900
WORKDIR /var/lib/shop
WORKDIR /opt/shop
COPY links/ /
COPY --chmod=+x docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
USER 900
