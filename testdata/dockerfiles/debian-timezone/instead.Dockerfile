FROM registry.example/debian-with-locale AS system
FROM registry.example/debian-with-locale
ENV TZ=Europe/Vienna LANG=en_US.utf8
COPY localtime/ /etc/
COPY <<timezone <<sysctl.conf /etc/
$TZ
timezone
vm.swappiness=1
sysctl.conf
WORKDIR /srv/shop
COPY --from=system /etc/group /srv/shop/
COPY site /srv/shop/site
