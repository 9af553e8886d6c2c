FROM golang:alpine
WORKDIR $GOPATH/src/example.com/shop
ADD . .
RUN go install -v ./cmd/...

FROM registry.example/alpine-with-certificates
COPY --from=0 /go/bin/api /go/bin/worker /usr/local/bin/
CMD ["api"]
