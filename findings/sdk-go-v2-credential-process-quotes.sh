#!/usr/bin/env bash
# credential_process = "/opt/my tool" plain "with spaces": AWS documents such quotes.
#
# A good guess: every client runs /opt/my tool with the two arguments.
# Seen: the AWS CLI splits the value as a shell would. The AWS SDK for Go v2 first takes a quote off both ends of any value
# that begins and ends with the same one, then gives the rest to `sh -c`. The command is not found: exit status 127.
# The same value with an unquoted last word works.
set -euo pipefail

readonly awscli=2.9.19-1 config=v1.33.15
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

if [ "$(dpkg-query -W -f '${Version}' awscli 2>/dev/null)" != "$awscli" ]; then
  apt-get install -y --no-install-recommends awscli="$awscli"
fi
cat >"$work/main.go" <<'GO'
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(keys.AccessKeyID)
}
GO
(
  cd "$work"
  export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
  go mod init finding
  go get "github.com/aws/aws-sdk-go-v2/config@$config"
  go build -o sdk .
) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

# The tool gives its number of arguments and the last one as the key id.
mkdir "$work/opt"
cat >"$work/opt/my tool" <<'TOOL'
#!/bin/sh
for last; do :; done
printf '{"Version":1,"AccessKeyId":"%d %s","SecretAccessKey":"made-up"}' "$#" "$last"
TOOL
chmod +x "$work/opt/my tool"
printf '[default]\ncredential_process = "%s" plain "with spaces"\n' "$work/opt/my tool" >"$work/quoted"
printf '[default]\ncredential_process = "%s" "with spaces" plain\n' "$work/opt/my tool" >"$work/unquoted"

clean() { # file, command ...
  env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE="$1" AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_REGION=eu-west-1 \
    AWS_EC2_METADATA_DISABLED=true "${@:2}"
}
# `aws configure list` prints the last four letters of the key id.
cli() { clean "$1" /usr/bin/aws configure list | awk '$1 == "access_key" { print $2, $3 }'; }

/usr/bin/aws --version
echo "github.com/aws/aws-sdk-go-v2/config $config"
expect "AWS CLI, last word quoted" "****************aces custom-process" "$(cli "$work/quoted")"
expect "AWS CLI, last word unquoted" "****************lain custom-process" "$(cli "$work/unquoted")"
expect "Go SDK, last word quoted" "process provider error: error in credential_process: exit status 127" \
  "$(clean "$work/quoted" "$work/sdk" 2>/dev/null | sed 's/.*\(process provider error\)/\1/')"
expect "Go SDK, last word unquoted" "2 plain" "$(clean "$work/unquoted" "$work/sdk")"
