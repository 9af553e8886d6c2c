FROM registry.example/php-with-extensions
COPY --from=composer:2 /usr/bin/busybox /usr/local/bin/composer
WORKDIR /var/www/html
COPY --chown=www:83 --chmod=755 . .
