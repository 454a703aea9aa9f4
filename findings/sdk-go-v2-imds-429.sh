#!/usr/bin/env bash
# aws-sdk-go-v2/feature/ec2/imds, and a metadata service that answers 429 to one request.
#
# A good guess: what the client retries is in its own package, so a program that keeps imds v1.20.7 keeps what it does.
# Seen: the same imds v1.20.7 fails at once beside aws-sdk-go-v2 v1.47.7, and asks again beside v1.48.0, which an update of any
# service's client brings along. The code of imds v1.20.9 is the same, and it requires v1.48.0. A 503 is retried by all.
set -euo pipefail

readonly old=v1.20.7 new=v1.20.9 core_old=v1.47.7 core_new=v1.48.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

cat >"$work/main.go" <<'GO'
// One question for a metadata service on the loopback, which refuses the first GET with the status of the argument.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func main() {
	status, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var gets atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			fmt.Fprint(w, "token")
			return
		}
		if gets.Add(1) == 1 {
			w.WriteHeader(status)
			return
		}
		fmt.Fprint(w, "i-1")
	}))
	defer service.Close()

	client := imds.New(imds.Options{Endpoint: service.URL})
	_, err = client.GetMetadata(context.Background(), &imds.GetMetadataInput{Path: "instance-id"})
	result := "an answer"
	if err != nil {
		result = "an error"
	}
	fmt.Printf("%s, requests: %d\n", result, gets.Load())
}
GO
ask() { # imds, core, status
  local dir="$work/$1-$2"
  if [ ! -d "$dir" ]; then
    mkdir "$dir"
    cp "$work/main.go" "$dir"
    (
      cd "$dir"
      export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
      go mod init finding
      go get "github.com/aws/aws-sdk-go-v2/feature/ec2/imds@$1" "github.com/aws/aws-sdk-go-v2@$2"
      go build -o ask .
    ) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
  fi
  env -i HOME="$work" "$dir/ask" "$3"
}

expect "imds $old, core $core_old, 429" "an error, requests: 1" "$(ask $old $core_old 429)"
expect "imds $old, core $core_old, 503" "an answer, requests: 2" "$(ask $old $core_old 503)"
expect "imds $old, core $core_new, 429" "an answer, requests: 2" "$(ask $old $core_new 429)"
expect "imds $new, core $core_new, 429" "an answer, requests: 2" "$(ask $new $core_new 429)"
expect "imds $new, core $core_new, 503" "an answer, requests: 2" "$(ask $new $core_new 503)"
