#!/usr/bin/env bash
# What the tests need of Debian: Chromium, which opens the wall, the furniture catalogue that the rendered rooms' sizes come from
# (120 MB), and nats-server, which replicas of the cloud share (5 MB). Installs what is missing where one may; else says how to.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v nats-server >/dev/null || missing+=(nats-server)
[ -d /usr/share/sweethome3d/furniture ] || missing+=(sweethome3d-furniture)
if [ ${#missing[@]} = 0 ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "tests: installing ${missing[*]}"
    apt-get update -qq
    # No service is started: nats-server's would listen to everybody.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
echo "tests: without ${missing[*]} the tests that need it are skipped (Debian: apt-get install ${missing[*]})" >&2
