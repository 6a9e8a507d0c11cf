#!/usr/bin/env bash
# What deploy/compose.tls.yml mounts: deploy/prepare_tls.sh FOLDER [HOST...]      (HOST: names and addresses by which other machines come)
#
#   FOLDER/authority/             see deploy/make_ca.sh; mounted nowhere. Keep its ca.key on another machine
#   FOLDER/edge/                  ca.crt, edge.crt, edge.key, tokens (whom the edge knows), uplink.token (as whom the cloud knows it)
#   FOLDER/cloud/                 ca.crt, cloud.crt, cloud.key, tokens
#   FOLDER/watch/                 ca.crt, client.crt, client.key, watch.token
#   FOLDER/{kitchen,living_room,bedroom,prometheus}/    ca.crt and the token of each
#
# Run again, it renews the certificates, which the services read within two seconds, and keeps every token that is there. A token for
# somebody else: taxon token NAME SCOPES -o FILE --add-to FOLDER/edge/tokens (or cloud/tokens).
#
# `taxon` is that of .venv or .venv-cpu, the one in the path, or the image's (TAXON_TAG=dev). Files can be read by their group alone: as root,
# the services' (10001) and Prometheus' (65534), else your own.
set -euo pipefail
umask 027
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

folder=${1:?usage: deploy/prepare_tls.sh FOLDER [HOST...]}
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
chmod 750 "$folder"

taxon() {
    # `command -v` would find this function, and the call below would be of itself without end.
    for found in "$here/.venv/bin/taxon" "$here/.venv-cpu/bin/taxon" "$(type -P taxon || true)"; do
        if [ -n "$found" ] && [ -x "$found" ]; then "$found" "$@"; return; fi
    done
    docker run --rm --user "$(id -u):$(id -g)" --volume "$folder:$folder" "taxon-edge:${TAXON_TAG:-dev}" "$@"
}

give() { # FOLDER FILE...: from the authority, each in one step; keys before their certificates, as make_ca.sh gives them
    local into=$folder/$1; shift
    mkdir -p "$into"
    for file in "$@"; do
        cp "$folder/authority/$file" "$into/.$file.new"
        chmod 640 "$into/.$file.new"
        own "$into/.$file.new" "${into##*/}"
        mv "$into/.$file.new" "$into/$file"
    done
    own "$into" "${into##*/}"
}

own() { # PATH FOLDER: for the group of who reads it
    [ "$(id -u)" = 0 ] || return 0
    if [ "$2" = prometheus ]; then chgrp 65534 "$1"; else chgrp 10001 "$1"; fi
}

token() { # SERVICE NAME SCOPES FOLDER/FILE: for a client of the edge or the cloud
    if [ ! -s "$folder/$4" ]; then
        taxon token "$2" "$3" -o "$folder/$4" --add-to "$folder/$1/tokens"
    fi
    chmod 640 "$folder/$4" "$folder/$1/tokens"
    own "$folder/$4" "${4%%/*}"
    own "$folder/$1/tokens" "$1"
}

"$here/deploy/make_ca.sh" "$folder/authority" "$@" >/dev/null
give edge ca.crt edge.key edge.crt
give cloud ca.crt cloud.key cloud.crt
give watch ca.crt client.key client.crt
for reader in kitchen living_room bedroom prometheus; do give "$reader" ca.crt; done

for camera in kitchen living_room bedroom; do token edge "$camera" "post:$camera" "$camera/$camera.token"; done
token cloud edge-1 uplink edge/uplink.token
token cloud watch subscribe watch/watch.token
# Prometheus shows one token to both: the cloud's line is the edge's too.
token edge prometheus metrics prometheus/prometheus.token
if ! grep -q '^prometheus ' "$folder/cloud/tokens"; then
    { cat "$folder/cloud/tokens"; grep '^prometheus ' "$folder/edge/tokens"; } >"$folder/cloud/tokens.new"
    chmod 640 "$folder/cloud/tokens.new"
    own "$folder/cloud/tokens.new" cloud
    mv "$folder/cloud/tokens.new" "$folder/cloud/tokens"
fi
echo "$folder: an authority, certificates for ${DAYS:-90} days, and $(cat "$folder"/*/tokens | wc -l) lines of tokens"
if [ "$(id -u)" != 0 ]; then echo "The containers read them as your group: export TAXON_GROUP=$(id -g)"; fi
if [ "$folder" != "$here/secrets" ]; then echo "They are not in $here/secrets: export TAXON_SECRETS=$folder"; fi
