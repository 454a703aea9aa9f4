#!/usr/bin/env bash
# A token whose header and claims are in order, and whose signature is not base64url, read by golang-jwt's ParseUnverified, as programs
# do that leave the signature to another service (the EKS Pod Identity agent does).
#
# A good guess: ParseUnverified does not look at the signature; its documentation says that it does not validate it.
# Seen: since 5.3.1, a patch release, it decodes the signature and fails. With 5.3.0 the same token passes. So what a client is
# told, and by whom, changes with an update of the library.
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

cd "$work"
cat >main.go <<'GO'
package main

import (
	"encoding/base64"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(`{"sub":"web"}`)) + ".a+b/"
	_, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	fmt.Println(err)
}
GO
go mod init finding >/dev/null 2>&1
seen() { # version
  GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go get "github.com/golang-jwt/jwt/v5@$1" >/dev/null 2>&1
  GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go run .
}
expect "golang-jwt 5.3.0" "<nil>" "$(seen v5.3.0)"
expect "golang-jwt 5.3.1" "token is malformed: could not base64 decode signature: illegal base64 data at input byte 1" "$(seen v5.3.1)"
