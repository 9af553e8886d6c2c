FROM registry.example/ruby-with-postgresql
WORKDIR /myapp
COPY . /myapp
COPY --chmod=+x docker-entrypoint.sh /usr/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 3000
CMD ["rails", "server", "-b", "0.0.0.0"]
