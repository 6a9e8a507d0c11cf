#!/usr/bin/env bash
# Builds the wheel of the last commit twice, in two folders, and compares: the same bytes, or status 1.
#
#   deploy/build_wheel.sh [FOLDER]      the wheel goes to FOLDER (dist)
#
# What could differ is given: every file's date and the archive's (SOURCE_DATE_EPOCH, the commit's), the umask, the language;
# and what is built is the commit, not what else lies in the folder. The build tools are those of requirements/all.lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${1:-dist}
python=$PWD/.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
umask 022

for copy in first second/deeper; do
    mkdir -p "$work/$copy"
    git archive HEAD | tar -x -C "$work/$copy"
    (cd "$work/$copy" && "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir wheels . >&2)
done
name=$(basename "$work"/first/wheels/*.whl)
one=$(sha256sum <"$work/first/wheels/$name" | cut -d' ' -f1)
two=$(sha256sum <"$work/second/deeper/wheels/$name" | cut -d' ' -f1)
if [ "$one" != "$two" ]; then
    echo "wheel: FAIL, two builds of $name differ: $one and $two"
    exit 1
fi
mkdir -p "$target"
cp "$work/first/wheels/$name" "$target/"
echo "wheel: PASS, $target/$name is the same twice, sha256 $one"
