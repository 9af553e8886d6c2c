FROM rust:1.78 AS builder
WORKDIR /usr/src/shop
RUN rustup target add x86_64-unknown-linux-musl
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo "fn main() {}" > src/main.rs && cargo build --release && rm -rf src
COPY src ./src
RUN touch src/main.rs && cargo build --release --locked

FROM registry.example/debian-with-openssl
COPY --from=builder /usr/src/shop/target/release/shop /usr/local/bin/shop
CMD ["shop"]
