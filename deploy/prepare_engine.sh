#!/usr/bin/env bash
# A Docker engine with every base image that the images and docker-compose.yml need, also where no image registry can be reached.
#
#   an engine       the one that answers; else Debian's docker.io is installed and started (root)
#   base images     what is there; else pulled; else a stand-in of the same name is made from Debian's packages (root):
#                     python:...           debootstrap, minbase with Python
#                     prom/prometheus, prom/alertmanager, nats
#                                          Debian's package upon that; its Alertmanager has no page to look at, only the interface
#                   A stand-in has the label taxon.stand-in. For grafana/grafana there is none: Debian does not package it.
#
#   deploy/prepare_engine.sh            PULL_SECONDS=0 does not try a registry
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PULL_SECONDS=${PULL_SECONDS:-120}
SUITE=bookworm
ENGINE_LOG=/var/log/taxon-dockerd.log
SCRATCH=$(mktemp -d "${TMPDIR:-/var/tmp}/taxon-engine.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT

say() { echo "engine: $*"; }
refuse() { echo "engine: $*" >&2; exit 1; }
image_named() { sed -nE "s#^ *image: ($1:[^ ]+)\$#\1#p" docker-compose.yml | head -1; }

install_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || refuse "needs ${missing[*]}; install them, or run this as root on Debian"
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

wait_for_engine() {
    for _ in $(seq 60); do
        answers && return
        kill -0 "$1" 2>/dev/null || return 1
        sleep 0.5
    done
    return 1
}

start_engine() {
    install_packages docker.io iptables
    if [ -d /run/systemd/system ]; then
        systemctl start docker
        return
    fi
    # The engine takes overlay2 where the kernel has it; vfs works everywhere, and copies every layer.
    for driver in "" --storage-driver=vfs; do
        # shellcheck disable=SC2086
        setsid dockerd $driver >"$ENGINE_LOG" 2>&1 </dev/null &
        wait_for_engine $! && return
        kill $! 2>/dev/null || true
        wait $! 2>/dev/null || true
    done
    tail -5 "$ENGINE_LOG" >&2
    refuse "dockerd does not start here, its log is $ENGINE_LOG"
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

pull() {
    [ "$PULL_SECONDS" != 0 ] || return 1
    timeout "$PULL_SECONDS" docker pull --quiet "$1" >"$SCRATCH/pull.log" 2>&1
}

# The files of Debian packages, without installing them.
unpack() {
    local into=$1; shift
    mkdir -p "$into" "$SCRATCH/packages"
    (cd "$SCRATCH/packages" && apt-get download -qq -o APT::Sandbox::User=root "$@" >/dev/null)
    for file in "$SCRATCH"/packages/*.deb; do dpkg -x "$file" "$into"; done
    rm -rf "$SCRATCH/packages"
}

make_python() {
    local root=$SCRATCH/python
    install_packages debootstrap
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$SUITE" "$root" >"$SCRATCH/debootstrap.log" 2>&1 \
        || { tail -5 "$SCRATCH/debootstrap.log" >&2; refuse "debootstrap failed"; }
    # As the official image: no package lists, no manuals, and the command is called python too.
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
        "$root"/usr/share/{doc,man,info,locale}/*
    ln -sf python3 "$root/usr/bin/python"
    tar -C "$root" -c . | docker import --change 'CMD ["python3"]' --change "LABEL taxon.stand-in=debian-$SUITE" - "$1" >/dev/null
    rm -rf "$root"
}

# The binary of a Debian package, and what it reads in usr/share/prometheus, upon the Python stand-in, started as the official image
# starts it. Busybox is its wget.
make_of_package() {
    local image=$1 package=$2 binary=$3; shift 3
    local context=$SCRATCH/$package
    unpack "$context/root" "$package" busybox-static
    mkdir -p "$context/files/usr/local/bin" "$context/files/usr/share"
    cp "$context/root/$binary" "$context/files/usr/local/bin/$package"
    cp "$context/root/bin/busybox" "$context/files/usr/local/bin/wget"
    [ ! -d "$context/root/usr/share/prometheus" ] || cp -r "$context/root/usr/share/prometheus" "$context/files/usr/share/"
    rm -rf "$context/root"
    printf '%s\n' "FROM $PYTHON_IMAGE" "LABEL taxon.stand-in=debian-$SUITE" "COPY files/ /" "$@" >"$context/Dockerfile"
    DOCKER_BUILDKIT=0 docker build --quiet -t "$image" "$context" >/dev/null 2>"$SCRATCH/build.log" \
        || { cat "$SCRATCH/build.log" >&2; refuse "$image could not be built"; }
}

make_prometheus() {
    make_of_package "$1" prometheus usr/bin/prometheus \
        'RUN install -d -o nobody -g nogroup /prometheus /etc/prometheus' 'USER nobody' 'VOLUME /prometheus' 'WORKDIR /prometheus' \
        'ENTRYPOINT ["prometheus"]' \
        'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
}

make_alertmanager() {
    make_of_package "$1" prometheus-alertmanager usr/bin/prometheus-alertmanager \
        'RUN install -d -o nobody -g nogroup /alertmanager /etc/alertmanager && ln -s /usr/local/bin/prometheus-alertmanager /bin/alertmanager' \
        'USER nobody' 'VOLUME /alertmanager' 'WORKDIR /alertmanager' 'ENTRYPOINT ["/bin/alertmanager"]' \
        'CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]'
}

make_nats() {
    make_of_package "$1" nats-server usr/sbin/nats-server 'ENTRYPOINT ["nats-server"]'
}

# Leaves the image in the engine: $1 image, $2 what makes the stand-in, nothing where there is none.
provide() {
    local began=$SECONDS
    if have_image "$1"; then
        say "$1: is there"
    elif pull "$1"; then
        say "$1: pulled"
    elif [ -z "${2:-}" ]; then
        say "$1: no registry answered, and there is no stand-in: do without"
    else
        install_packages ca-certificates
        "$2" "$1"
        say "$1: a stand-in from Debian's packages, made in $((SECONDS - began)) s, no registry answered"
    fi
}

if ! answers; then
    start_engine
    say "started (stop it with: kill \$(cat /var/run/docker.pid))"
fi
docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || install_packages docker-compose
say "$(docker info --format 'version {{.ServerVersion}}, storage {{.Driver}}, {{.NCPU}} cores')"

PYTHON_IMAGE=$(sed -n 's/^ARG BASE_IMAGE=//p' deploy/Dockerfile)
provide "$PYTHON_IMAGE" make_python
provide "$(image_named prom/prometheus)" make_prometheus
provide "$(image_named prom/alertmanager)" make_alertmanager
provide "$(image_named nats)" make_nats
provide "$(image_named grafana/grafana)"
docker image ls --filter label=taxon.stand-in --format 'engine: {{.Repository}}:{{.Tag}} {{.Size}}'
