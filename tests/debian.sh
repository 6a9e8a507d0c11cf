#!/usr/bin/env bash
# What the tests need of Debian: Chromium, which opens the wall, the furniture catalogue that the rendered rooms' sizes come from
# (120 MB), and kubectl, which puts the manifests together. Installs what is missing where one may; else says how to.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium)
[ -d /usr/share/sweethome3d/furniture ] || missing+=(sweethome3d-furniture)
command -v kubectl >/dev/null || missing+=(kubernetes-client)
if [ ${#missing[@]} = 0 ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "tests: installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
echo "tests: without ${missing[*]} the tests that need it are skipped (Debian: apt-get install ${missing[*]})" >&2
