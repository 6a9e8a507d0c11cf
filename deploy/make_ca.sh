#!/usr/bin/env bash
# A private certificate authority for trials, and certificates of it: deploy/make_ca.sh FOLDER [HOST...]
#
#   FOLDER/ca.crt, ca.key         the authority; made once, used again. Whoever has ca.key can be anybody: keep it elsewhere
#   FOLDER/edge.crt, edge.key     the edge's, as a service and towards the cloud
#   FOLDER/cloud.crt, cloud.key   the cloud's
#   FOLDER/client.crt, client.key a camera's, a subscriber's, or Prometheus'
#
# Each service's certificate is good for localhost, 127.0.0.1, ::1, its own name (`edge`, `cloud`) and every HOST (a name or an
# address) that is given. Run again, it renews the certificates (DAYS=90) with new keys and leaves the authority (CA_DAYS=3650): services
# read them again by themselves, see docs/runbook.md. Each file is replaced in one step; the key goes first.
set -euo pipefail
umask 077

folder=${1:?usage: deploy/make_ca.sh FOLDER [HOST...]}
shift
mkdir -p "$folder"
work=$(mktemp -d "$folder/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [ ! -s "$folder/ca.key" ]; then
    new_key "$work/ca.key"
    openssl req -x509 -new -key "$work/ca.key" -sha256 -days "${CA_DAYS:-3650}" -subj "/CN=Taxon trial authority" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$work/ca.crt"
    chmod 644 "$work/ca.crt"
    mv "$work/ca.key" "$folder/ca.key"
    mv "$work/ca.crt" "$folder/ca.crt"
fi

names="DNS:localhost,IP:127.0.0.1,IP:::1"
for host in "$@"; do
    if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
done

certificate() { # NAME SUBJECT_ALTERNATIVE_NAMES USAGE
    new_key "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr"
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=$3" \
        "subjectAltName=$2" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" >"$work/$1.ext"
    openssl x509 -req -in "$work/$1.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
        -sha256 -days "${DAYS:-90}" -extfile "$work/$1.ext" -out "$work/$1.crt" 2>/dev/null
    chmod 644 "$work/$1.crt"
    mv "$work/$1.key" "$folder/$1.key"
    mv "$work/$1.crt" "$folder/$1.crt"
}

certificate edge "DNS:edge,DNS:edge.taxon,$names" serverAuth,clientAuth
certificate cloud "DNS:cloud,DNS:cloud.taxon,$names" serverAuth
certificate client "DNS:client" clientAuth
echo "$folder: ca.crt, edge, cloud and client certificates for ${DAYS:-90} days"
