FROM nginx:1.27
COPY <<default.conf /etc/nginx/conf.d/
default.conf
COPY nginx.conf /etc/nginx/nginx.conf
COPY site /usr/share/nginx/html
COPY logs /var/log/nginx
COPY --chown=www <<nginx.pid /var/run/nginx.pid
nginx.pid
STOPSIGNAL SIGQUIT
