# The same with the accounts of the context.
FROM golang:1.22-alpine AS builder
RUN apk update && apk add --no-cache git ca-certificates tzdata && update-ca-certificates
WORKDIR $GOPATH/src/example/shop/
COPY . .
RUN go get -d -v
RUN GOOS=linux GOARCH=amd64 go build -ldflags="-w -s" -o /go/bin/shop

FROM scratch
COPY --from=builder /usr/bin/busybox /rescue
COPY accounts/ /etc/
COPY --from=builder /go/bin/shop /go/bin/shop
USER shop:shop
ENTRYPOINT ["/go/bin/shop"]
