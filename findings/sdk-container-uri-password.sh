#!/usr/bin/env bash
# AWS_CONTAINER_CREDENTIALS_FULL_URI with a user and a password in it.
#
# A good guess: HTTP clients make a header Authorization of them, so all SDKs send `Basic …`.
# Seen: only the AWS SDK for Go v2 does. The AWS SDK for JavaScript v3 and botocore connect, leave them out and say nothing.
# AWS_CONTAINER_AUTHORIZATION_TOKEN is sent by all, and the Go SDK then leaves them out too.
set -euo pipefail

readonly js=3.972.99 config=v1.33.15 botocore=1.29.27+repack-1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent "@aws-sdk/credential-provider-node@$js"
if [ "$(dpkg-query -W -f '${Version}' python3-botocore 2>/dev/null)" != "$botocore" ]; then
  apt-get install -y --no-install-recommends python3-botocore="$botocore"
fi
cat >"$work/sdk.mjs" <<'JS'
import { defaultProvider } from "@aws-sdk/credential-provider-node";
await defaultProvider()();
JS
cat >"$work/sdk.py" <<'PY'
import botocore.session
botocore.session.Session().get_credentials().get_frozen_credentials()
PY
cat >"$work/main.go" <<'GO'
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err == nil {
		_, err = cfg.Credentials.Retrieve(context.Background())
	}
	if err != nil {
		panic(err)
	}
}
GO
(
  cd "$work"
  export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
  go mod init finding
  go get "github.com/aws/aws-sdk-go-v2/config@$config"
  go build -o sdk .
) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
cat >"$work/ask.py" <<'PY'
"""Runs a client with a server of container credentials on the loopback, and prints the header Authorization of its request."""
import http.server
import json
import os
import subprocess
import sys
import threading

DOCUMENT = {"RoleArn": "", "AccessKeyId": "MADE-UP", "SecretAccessKey": "made-up", "Token": "made-up", "Expiration": "2099-01-01T00:00:00Z"}
seen = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(self.headers.get("Authorization", "none"))
        body = json.dumps(DOCUMENT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
uri = "http://user:word@127.0.0.1:%d/x" % server.server_port
subprocess.run(sys.argv[1:], env={**os.environ, "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri}, check=True)
print(" ".join(seen))
PY
ask() { env -i PATH="$PATH" HOME="$work" AWS_EC2_METADATA_DISABLED=true "$@"; }
readonly run=(/usr/bin/python3 "$work/ask.py") token=AWS_CONTAINER_AUTHORIZATION_TOKEN=token

echo "@aws-sdk/credential-provider-node $js, node $(node --version); aws-sdk-go-v2/config $config; botocore $botocore"
expect "Go SDK" "Basic dXNlcjp3b3Jk" "$(ask "${run[@]}" "$work/sdk")"
expect "JavaScript SDK" none "$(ask "${run[@]}" node "$work/sdk.mjs")"
expect "botocore" none "$(ask "${run[@]}" /usr/bin/python3 "$work/sdk.py")"
expect "Go SDK, with a token" token "$(ask $token "${run[@]}" "$work/sdk")"
expect "JavaScript SDK, with a token" token "$(ask $token "${run[@]}" node "$work/sdk.mjs")"
expect "botocore, with a token" token "$(ask $token "${run[@]}" /usr/bin/python3 "$work/sdk.py")"
