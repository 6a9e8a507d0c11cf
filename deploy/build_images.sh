#!/usr/bin/env bash
# Builds the images taxon-edge and taxon-cloud, and says how large they are and how long it took.
#
#   deploy/build_images.sh [edge] [cloud]            TAXON_TAG=dev  ACCELERATOR=cpu|gpu  BASE_IMAGE=...
#
# pip's index and certificate of this machine's environment (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_CERT, ...) go in as secrets of the build:
# no layer keeps them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ACCELERATOR=${ACCELERATOR:-cpu}
tag=${TAXON_TAG:-dev}
[ "$ACCELERATOR" = cpu ] || tag=$tag-$ACCELERATOR
SECRETS=$(mktemp -d)
trap 'rm -rf "$SECRETS"' EXIT
export DOCKER_BUILDKIT=1

# A client that can drive BuildKit: with the buildx plug-in, or one of before Docker 23, which has it built in.
client() {
    for found in docker /usr/bin/docker; do
        command -v "$found" >/dev/null || continue
        if "$found" buildx version >/dev/null 2>&1 || [ "$("$found" version --format '{{.Client.Version}}' 2>/dev/null | cut -d. -f1)" -lt 23 ]; then
            echo "$found"
            return
        fi
    done
    echo "images: no docker client here can drive BuildKit; install docker-buildx" >&2
    return 1
}

{
    echo "[global]"
    [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
    [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || echo "extra-index-url = $PIP_EXTRA_INDEX_URL"
    [ -z "${PIP_TRUSTED_HOST:-}" ] || echo "trusted-host = $PIP_TRUSTED_HOST"
    echo "timeout = ${PIP_DEFAULT_TIMEOUT:-60}"
} >"$SECRETS/pip.conf"
cat "${PIP_CERT:-/dev/null}" >"$SECRETS/ca.pem"

docker=$(client)
for service in ${*:-edge cloud}; do
    began=$SECONDS
    "$docker" build --file deploy/Dockerfile --target "$service" --tag "taxon-$service:$tag" \
        --build-arg "ACCELERATOR=$ACCELERATOR" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} \
        --secret "id=pip.conf,src=$SECRETS/pip.conf" --secret "id=ca.pem,src=$SECRETS/ca.pem" ${BUILD_OPTIONS:-} .
    bytes=$("$docker" image inspect --format '{{.Size}}' "taxon-$service:$tag")
    echo "images: taxon-$service:$tag has $((bytes / 1000000)) MB, built in $((SECONDS - began)) s"
done
