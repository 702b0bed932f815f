# crs in a container: docker build -t crs:0.1.0 .
#
# The image holds the binary and two empty folders. Settings come from the environment when it runs,
# never from a build argument, so no layer holds a secret.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY compat compat
COPY js js
COPY shadow shadow
# Downloads and objects stay in the builder's cache and out of every layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin crs \
    && strip --strip-debug -o /crs target/release/crs \
    && install -d /new/data/crs /new/logs /new/run

FROM debian:12.11-slim
# Owner of data/crs, logs and the tap's socket. A number, so that Kubernetes can see that it is not root.
USER 10001:10001
COPY --from=build /crs /usr/local/bin/crs
COPY --from=build --chown=10001:10001 /new/data /app/data
COPY --from=build --chown=10001:10001 /new/logs /app/logs
COPY --from=build --chown=10001:10001 /new/run /run/crs
WORKDIR /app
ENV HOST=0.0.0.0 PORT=3000
VOLUME ["/app/data", "/app/logs"]
EXPOSE 3000
# Asks /crs/health, and fails only when crs itself is silent.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["crs", "health"]
# SIGTERM lets open streams finish: give it longer than CRS_DRAIN_TIMEOUT_SECONDS (--stop-timeout 330).
CMD ["crs", "serve"]
