#!/usr/bin/env bash
# Builds the images twice without a cache of layers, and compares the files in them: the same, or status 1.
#
#   deploy/compare_images.sh [edge] [cloud]          needs an engine (deploy/prepare_engine.sh)
#
# A file is its path, kind, mode, owner, target (of a link) and SHA-256; the times at which files were written are left out, since only BuildKit 0.13
# can set them (rewrite-timestamp). The base image is the same for both; pin it by its digest to have it so elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
services=("$@")
[ ${#services[@]} != 0 ] || services=(edge cloud)
clear() {
    for service in "${services[@]}"; do
        docker image rm --force "taxon-$service:first" "taxon-$service:second" >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap clear EXIT

# One line a file, sorted.
list_files() {
    local container
    container=$(docker create "$1")
    docker export "$container" | python3 -c '
import hashlib, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    for one in archive:
        content = hashlib.sha256(archive.extractfile(one).read()).hexdigest() if one.isfile() else ""
        print(one.name, one.type.decode(), oct(one.mode), one.uid, one.gid, one.linkname, content)
' | LC_ALL=C sort >"$2"
    docker rm "$container" >/dev/null
}

for build in first second; do
    BUILD_OPTIONS=--no-cache TAXON_TAG=$build deploy/build_images.sh "${services[@]}" 2>"$work/$build.log" || { tail -20 "$work/$build.log" >&2; exit 1; }
done
files=0
for service in "${services[@]}"; do
    for build in first second; do list_files "taxon-$service:$build" "$work/$service.$build"; done
    if ! diff "$work/$service.first" "$work/$service.second" >"$work/$service.diff"; then
        head -20 "$work/$service.diff" >&2
        echo "images: FAIL, two builds of taxon-$service differ in $(grep -c '^>' "$work/$service.diff" || true) files"
        exit 1
    fi
    files=$((files + $(wc -l <"$work/$service.first")))
done
echo "images: PASS, ${services[*]} built twice without a cache have the same $files files (paths, modes, owners and bytes; times left out)"
