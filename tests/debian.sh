#!/usr/bin/env bash
# What the tests need of Debian: Chromium, which opens the wall, the furniture catalogue that the rendered rooms' sizes come from
# (120 MB), Prometheus, which scrapes live services, and its Alertmanager, which pages, nats-server, which replicas of the cloud share
# (5 MB), kubectl, which puts the manifests together, docker-compose, which reads its file, openssl, which makes certificates, and
# faketime, which sets clocks. Installs what is missing where one may; else says how to. tests/debian.sh PACKAGE...: those alone.
set -euo pipefail

wanted=("$@")
if [ ${#wanted[@]} = 0 ]; then
    wanted=(chromium sweethome3d-furniture prometheus prometheus-alertmanager nats-server kubernetes-client docker-compose openssl
            faketime)
fi
missing=()
for package in "${wanted[@]}"; do
    case $package in
        sweethome3d-furniture) [ -d /usr/share/sweethome3d/furniture ] || missing+=("$package") ;;
        kubernetes-client) command -v kubectl >/dev/null || missing+=("$package") ;;
        *) command -v "$package" >/dev/null || missing+=("$package") ;;
    esac
done
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
    for service in prometheus prometheus-alertmanager; do
        if [[ " ${missing[*]} " == *" $service "* ]] && command -v systemctl >/dev/null; then
            # The packages would scrape this machine and listen to everybody from the next start on; the tests start their own.
            systemctl disable --now "$service" >/dev/null 2>&1 || true
        fi
    done
    exit 0
fi
echo "tests: without ${missing[*]} the tests that need it are skipped (Debian: apt-get install ${missing[*]})" >&2
