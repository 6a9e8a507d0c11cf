#!/usr/bin/env bash
# The browser of the wall's tests: Debian's Chromium. Installs it where it is missing and one may; else says how to.
set -euo pipefail

if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "browser: installing chromium, which the wall's tests drive"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "browser: there is no chromium, so the wall's tests will be skipped (Debian: apt-get install chromium)" >&2
