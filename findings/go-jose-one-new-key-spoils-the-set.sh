#!/usr/bin/env bash
# A JSON Web Key Set that holds one key of a type from after the library (AKP, of post-quantum signatures by ML-DSA) beside one that it
# knows.
#
# A good guess: the new key is left out, since RFC 7517 section 5 says that keys of an unknown "kty" should be ignored.
# Seen: go-jose's JSONWebKeySet fails as a whole, so that adding such a key to an issuer's set stops every verifier that decodes the
# set at once. Decoding the keys one by one, as JSONWebKey, leaves out the new one only.
set -euo pipefail

readonly jose=v4.1.9
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
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-jose/go-jose/v4"
)

const known = `{"kty":"OKP","crv":"Ed25519","kid":"known","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
const added = `{"kty":"AKP","alg":"ML-DSA-44","kid":"added","pub":"AAAA"}`

func main() {
	text := `{"keys":[` + known + `]}`
	if os.Args[1] != "known" {
		text = `{"keys":[` + known + `,` + added + `]}`
	}
	if os.Args[1] == "each" {
		var set struct{ Keys []json.RawMessage }
		_ = json.Unmarshal([]byte(text), &set)
		n := 0
		for _, raw := range set.Keys {
			var k jose.JSONWebKey
			if k.UnmarshalJSON(raw) == nil {
				n++
			}
		}
		fmt.Println(n, "of", len(set.Keys))
		return
	}
	var set jose.JSONWebKeySet
	err := json.Unmarshal([]byte(text), &set)
	fmt.Println(err)
}
GO
go mod init finding >/dev/null 2>&1
GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go get "github.com/go-jose/go-jose/v4@$jose" >/dev/null 2>&1
seen() { GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go run . "$1"; }
printf 'go-jose %s\n' "$jose"
expect "the set without the new key" "<nil>" "$(seen known)"
expect "the set with it" "go-jose/go-jose: unsupported key type, format, curve, or RSA modulus size" "$(seen set)"
expect "its keys one by one" "1 of 2" "$(seen each)"
