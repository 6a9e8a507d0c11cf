#!/usr/bin/env bash
# What the tests need of Debian: Chromium, which opens the wall, the furniture catalogue that the rendered rooms' sizes come from
# (120 MB), Prometheus, which scrapes live services, and its Alertmanager, which pages, nats-server, which replicas of the cloud share
# (5 MB), kubectl, which puts the manifests together, docker-compose, which reads its file, openssl, which makes certificates,
# faketime, which sets clocks, and GStreamer's RTSP server with its encoders, which is a camera (100 MB; its plugins are in four
# packages, and H.265 is in "bad"). Installs what is missing where one may; else says how to. tests/debian.sh PACKAGE...: those alone.
set -euo pipefail

wanted=("$@")
if [ ${#wanted[@]} = 0 ]; then
    wanted=(chromium sweethome3d-furniture prometheus prometheus-alertmanager nats-server kubernetes-client docker-compose openssl
            faketime python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good
            gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly)
fi
# is_there GLOB: whether such a file is under /usr/lib.
is_there() { compgen -G "/usr/lib/$1" >/dev/null; }
missing=()
for package in "${wanted[@]}"; do
    case $package in
        sweethome3d-furniture) [ -d /usr/share/sweethome3d/furniture ] || missing+=("$package") ;;
        kubernetes-client) command -v kubectl >/dev/null || missing+=("$package") ;;
        python3-gi) is_there 'python3/dist-packages/gi/__init__.py' || missing+=("$package") ;;
        gir1.2-gst-rtsp-server-1.0) is_there '*/girepository-1.0/GstRtspServer-1.0.typelib' || missing+=("$package") ;;
        gstreamer1.0-plugins-base) is_there '*/gstreamer-1.0/libgstvideotestsrc.so' || missing+=("$package") ;;
        gstreamer1.0-plugins-good) is_there '*/gstreamer-1.0/libgstrtpmanager.so' || missing+=("$package") ;;
        gstreamer1.0-plugins-bad) is_there '*/gstreamer-1.0/libgstx265.so' || missing+=("$package") ;;
        gstreamer1.0-plugins-ugly) is_there '*/gstreamer-1.0/libgstx264.so' || missing+=("$package") ;;
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
