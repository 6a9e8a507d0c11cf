#!/usr/bin/env bash
# Writes what each lock file installs as a CycloneDX 1.6 document, checked against CycloneDX's schema by the tool that writes it.
#
#   deploy/write_sbom.sh [FOLDER]      FOLDER/services-cpu.cdx.json and so on (dist/sbom)
#
# Fails where a locked package is missing from its document. The same lock files give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${1:-dist/sbom}
mkdir -p "$target"
summary=
for lock in services-cpu services-gpu video cpu; do
    .venv/bin/cyclonedx-py requirements "requirements/$lock.lock" --pyproject pyproject.toml --mc-type application \
        --spec-version 1.6 --output-format JSON --output-reproducible --validate --output-file "$target/$lock.cdx.json" 2>/dev/null
    wanted=$(grep -cE '^[a-z0-9._-]+(\[.*\])?==' "requirements/$lock.lock")
    found=$(.venv/bin/python -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["components"]))' "$target/$lock.cdx.json")
    if [ "$wanted" != "$found" ]; then
        echo "sbom: FAIL, $lock.cdx.json has $found components, the lock file $wanted packages"
        exit 1
    fi
    summary="$summary, $lock $found"
done
echo "sbom: PASS, components in $target${summary/,/:}"
