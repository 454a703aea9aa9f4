#!/usr/bin/env bash
# AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6, in lower case.
#
# A good guess: AWS's SDKs read the variable alike.
# Seen: the AWS SDK for Go v2 takes it in any case. The AWS SDK for JavaScript v3 takes `IPv6` alone, and refuses `ipv6`.
# Beside AWS_EC2_METADATA_SERVICE_ENDPOINT it does not look at the mode at all, so one more variable removes the error.
# Nothing here asks a metadata service.
set -euo pipefail

readonly imds=4.5.2 core=3.41.1 config=v1.33.15 go_imds=v1.20.7
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent \
  "@smithy/credential-provider-imds@$imds" "@smithy/core@$core"
cat >"$work/sdk.mjs" <<'JS'
import { getInstanceMetadataEndpoint } from "@smithy/credential-provider-imds";
try {
  console.log((await getInstanceMetadataEndpoint()).hostname);
} catch (error) {
  console.log(error.message);
}
JS
cat >"$work/main.go" <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// show prints where a request would go, and sends none.
type show struct{}

func (show) Do(request *http.Request) (*http.Response, error) {
	fmt.Println(request.URL.Hostname())
	return nil, errors.New("not sent")
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	client := imds.NewFromConfig(cfg, func(o *imds.Options) {
		o.HTTPClient, o.Retryer = show{}, aws.NopRetryer{}
		o.EnableFallback = aws.FalseTernary
	})
	_, _ = client.GetRegion(context.Background(), nil)
}
GO
(
  cd "$work"
  export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
  go mod init finding
  go get "github.com/aws/aws-sdk-go-v2/config@$config" "github.com/aws/aws-sdk-go-v2/feature/ec2/imds@$go_imds"
  go build -o sdk .
) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

clean() { env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null "$@"; }
readonly mode=AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE endpoint=AWS_EC2_METADATA_SERVICE_ENDPOINT

echo "@smithy/credential-provider-imds $imds, node $(node --version); aws-sdk-go-v2/feature/ec2/imds $go_imds"
expect "JavaScript SDK, IPv6" "[fd00:ec2::254]" "$(clean "$mode=IPv6" node "$work/sdk.mjs")"
expect "JavaScript SDK, ipv6" "Unsupported endpoint mode: ipv6. Select from IPv4,IPv6" "$(clean "$mode=ipv6" node "$work/sdk.mjs")"
expect "JavaScript SDK, ipv6 beside an endpoint" 127.0.0.1 \
  "$(clean "$mode=ipv6" "$endpoint=http://127.0.0.1:1" node "$work/sdk.mjs")"
expect "Go SDK, ipv6" "fd00:ec2::254" "$(clean "$mode=ipv6" "$work/sdk")"
