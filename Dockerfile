# The image of mock-ec2-metadata. Build it with ./build-docker.sh; plain
# "docker build ." works too, with or without BuildKit. With the build argument
# PROGRAM=mock-ec2-metadata-kube it is the image for Kubernetes.
#
#   base ──┬─ reloader ───────┐
#          └─ compile ──┬─ build ──> (final) scratch, static binary
#                       └─ dev    <─ reloader

ARG GO_IMAGE=golang:1.26-bookworm
ARG PROGRAM=mock-ec2-metadata

# base: the toolchain and the modules, downloaded again only when go.mod or
# go.sum change. The umask leaves both caches writable for any uid, because
# the dev image runs as whoever owns ~/.aws.
FROM ${GO_IMAGE} AS base
ENV GOPATH=/go GOCACHE=/go/build-cache GOFLAGS=-buildvcs=false
WORKDIR /app
COPY go.mod go.sum ./
RUN umask 0000 && go mod download

# reloader: the tool that rebuilds on a change, as pinned in tools/go.mod.
FROM base AS reloader
COPY tools/go.mod tools/go.sum tools/
RUN cd tools && CGO_ENABLED=0 go build -trimpath -o /out/air github.com/air-verse/air

# compile: every package once. Stamping a version (build) and the first
# rebuild (dev) then only link.
FROM base AS compile
ARG PROGRAM
COPY . .
RUN umask 0000 && CGO_ENABLED=0 go build -trimpath -tags nethttpomithttp2 -o /dev/null "./cmd/${PROGRAM}"

# dev: the repository is mounted over /app, see ./run-docker.sh dev.
FROM compile AS dev
COPY --from=reloader /out/air /usr/local/bin/air
RUN mkdir -p /home/mock/.aws && chmod 1777 /home/mock
ENV HOME=/home/mock
EXPOSE 5000
CMD ["air", "-c", "tools/air.toml"]

# build: the whole file system of the final image, below /rootfs. Whatever the
# program is called, /mock-ec2-metadata starts it.
FROM compile AS build
ARG PROGRAM
ARG VERSION=dev
RUN mkdir -p /rootfs/conf /rootfs/etc/ssl/certs /rootfs/home/mock/.aws /rootfs/home/mock/.local/state/mock-ec2-metadata /rootfs/tmp /rootfs/usr/share \
 && chmod 1777 /rootfs/tmp \
 && cp -L /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /rootfs/usr/share/ \
 && CGO_ENABLED=0 go build -trimpath -tags nethttpomithttp2 -ldflags "-s -w -X main.version=${VERSION}" \
      -o "/rootfs/${PROGRAM}" "./cmd/${PROGRAM}" \
 && mkdir -p "/rootfs/usr/share/licenses/${PROGRAM}" && cp LICENSE "/rootfs/usr/share/licenses/${PROGRAM}/" \
 && go run ./packaging/licenses -tags nethttpomithttp2 -platforms "linux/$(go env GOARCH)" "./cmd/${PROGRAM}" \
      >"/rootfs/usr/share/licenses/${PROGRAM}/THIRD-PARTY-LICENSES" \
 && if [ "${PROGRAM}" != mock-ec2-metadata ]; then ln -s "${PROGRAM}" /rootfs/mock-ec2-metadata; fi

FROM scratch
ARG PROGRAM
ARG VERSION=dev
LABEL org.opencontainers.image.title="${PROGRAM}" \
      org.opencontainers.image.description="Answers like the EC2 Instance Metadata Service and hands out temporary credentials of an IAM role" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /rootfs/ /
# HOME is what makes ~/.aws the same place for every uid (docker run --user).
ENV HOME=/home/mock ZONEINFO=/usr/share/zoneinfo.zip
WORKDIR /
USER 65532:65532
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=8s --start-period=5s --retries=3 \
  CMD ["/mock-ec2-metadata", "healthcheck"]
ENTRYPOINT ["/mock-ec2-metadata"]
