#!/usr/bin/env bash
# A PUT for a session token fails in three ways. Does the SDK ask for a token again before the next fetch of credentials?
#
# A good guess: AWS's SDKs agree. 404 (a service from before IMDSv2) and silence (a hop limit of 1, and a container) are for
# good, since each new try of the latter costs seconds. The source of the AWS SDK for JavaScript v3 names both, too.
# Seen: the one for JavaScript remembers the 404 alone. Its time-out has another text than the one that it looks for, so each
# fetch waits a second again. The one for Go v2 remembers both. After a 503 both use IMDSv1 for one fetch; in Go each of the
# two GETs of a fetch asks three times first.
set -euo pipefail

readonly js=4.5.2 core=3.41.1 go_imds=v1.20.9 credentials=v1.21.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent \
  "@smithy/credential-provider-imds@$js" "@smithy/core@$core"
cat >"$work/service.mjs" <<'JS'
// A metadata service on the loopback without tokens: a PUT gets the status of the argument, or no answer for 0. It starts the
// program of the other arguments, which fetches credentials twice, and prints the token requests of each fetch.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const [status, command, ...args] = process.argv.slice(2);
const role = "/latest/meta-data/iam/security-credentials/";
const puts = [];
let asked = 0;
const server = createServer((request, response) => {
  if (request.method === "PUT") {
    asked++;
    if (status !== "0") response.writeHead(Number(status)).end();
    return;
  }
  if (request.url === role) return response.end("role");
  puts.push(asked);
  asked = 0;
  response.end(JSON.stringify({
    Code: "Success", AccessKeyId: "MADE-UP", SecretAccessKey: "made-up", Token: "made-up", Expiration: "2099-01-01T00:00:00Z",
  }));
});
server.listen(0, "127.0.0.1", () => {
  const AWS_EC2_METADATA_SERVICE_ENDPOINT = `http://127.0.0.1:${server.address().port}`;
  const client = spawn(command, args, { stdio: "inherit", env: { ...process.env, AWS_EC2_METADATA_SERVICE_ENDPOINT } });
  client.on("exit", (code) => {
    console.log(`${puts.join(" and ")} token requests`);
    server.close();
    server.closeAllConnections();
    process.exitCode = code;
  });
});
JS
cat >"$work/sdk.mjs" <<'JS'
import { fromInstanceMetadata } from "@smithy/credential-provider-imds";

const provider = fromInstanceMetadata();
await provider();
await provider();
JS
cat >"$work/main.go" <<'GO'
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func main() {
	client := imds.New(imds.Options{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")})
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	for range 2 {
		if _, err := provider.Retrieve(context.Background()); err != nil {
			panic(err)
		}
	}
}
GO
(
  cd "$work"
  export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
  go mod init finding
  go get "github.com/aws/aws-sdk-go-v2/feature/ec2/imds@$go_imds" "github.com/aws/aws-sdk-go-v2/credentials@$credentials"
  go build -o sdk .
) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

clean() { env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null "$@"; }
js() { clean node "$work/service.mjs" "$1" node "$work/sdk.mjs"; }
go2() { clean node "$work/service.mjs" "$1" "$work/sdk"; }

echo "@smithy/credential-provider-imds $js, node $(node --version); aws-sdk-go-v2/feature/ec2/imds $go_imds"
expect "404, JavaScript" "1 and 0 token requests" "$(js 404)"
expect "404, Go" "1 and 0 token requests" "$(go2 404)"
expect "silence, JavaScript" "1 and 1 token requests" "$(js 0)"
expect "silence, Go" "3 and 0 token requests" "$(go2 0)"
expect "503, JavaScript" "1 and 1 token requests" "$(js 503)"
expect "503, Go" "6 and 6 token requests" "$(go2 503)"
