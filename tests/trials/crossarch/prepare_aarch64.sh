#!/usr/bin/env bash
# An aarch64 Python that this machine can run: Debian's qemu-user-static and arm64 packages, unpacked and not installed.
#
#   tests/trials/crossarch/prepare_aarch64.sh FOLDER      makes FOLDER/aarch64 (a root with Python 3.11) and FOLDER/host (qemu)
#
# apt keeps its lists for arm64 in FOLDER, so the machine's own architecture and packages stay as they are. Needs Debian's
# apt-get and dpkg-deb and a mirror that answers; says what is missing otherwise and exits with 1.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if [ -e "$folder/complete" ]; then
    exit 0
fi
for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || { echo "crossarch: $tool is missing: the aarch64 Python is unpacked from Debian's packages" >&2; exit 1; }
done

rm -rf "$folder/aarch64" "$folder/host" "$folder/apt"

# An apt of its own for one architecture, as on a machine where nothing is installed, so that it names every dependency.
unpack() { # unpack ARCHITECTURE FOLDER PACKAGE...
    local architecture=$1 into=$2 state=$folder/apt/$1
    shift 2
    mkdir -p "$state"/state/lists/partial "$state"/cache/archives/partial "$into"
    : >"$state/status"
    local options=(-qq -o "APT::Architecture=$architecture" -o "APT::Architectures::=$architecture" -o "Dir::State=$state/state"
        -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=$(id -un)" -o "Debug::NoLocking=1")
    apt-get "${options[@]}" update
    apt-get "${options[@]}" --yes --no-install-recommends --download-only install "$@"
    for package in "$state"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$into"
    done
}

unpack arm64 "$folder/aarch64" python3.11 libstdc++6 >&2 || { echo "crossarch: Debian's arm64 packages could not be fetched (apt-get's words above)" >&2; exit 1; }
unpack "$(dpkg --print-architecture)" "$folder/host" qemu-user-static >&2 || { echo "crossarch: qemu-user-static could not be fetched (apt-get's words above)" >&2; exit 1; }
rm -rf "$folder/apt"
# Of qemu's forty machines the two that the trials use.
find "$folder/host/usr/bin" -name 'qemu-*' ! -name qemu-aarch64-static ! -name qemu-x86_64-static -delete
"$folder/host/usr/bin/qemu-aarch64-static" -L "$folder/aarch64" "$folder/aarch64/usr/bin/python3.11" -c 'import ctypes, hashlib, ssl'
touch "$folder/complete"
