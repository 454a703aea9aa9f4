#!/usr/bin/env bash
# ~/.aws/config with a heading `[profile work] TEXT`: whose keys are the two lines below it?
#
# A good guess: profile work's, for everyone, or an error.
# Seen: the AWS CLI ignores the text and gives the keys to profile work. The AWS SDK for Go v2 does not take the line for
# a heading. It gives the keys to the section before, here the default profile, and finds no profile work. It says nothing.
# Text after `#` or `;` harms neither.
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
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	profile, err := config.LoadSharedConfigProfile(context.Background(), os.Args[1], func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = []string{os.Args[2]}, []string{}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.Credentials.AccessKeyID)
}
GO
(
  cd "$work"
  export GOMODCACHE="$work/mod" GOFLAGS="-modcacherw -trimpath"
  go mod init finding
  go get "github.com/aws/aws-sdk-go-v2/config@$config"
  go build -o sdk .
) >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

file() { # the text after the heading
  cat <<INI
[default]
aws_access_key_id = KEY-OF-DEFAULT
aws_secret_access_key = made-up
[profile work]$1
aws_access_key_id = KEY-OF-WORK
aws_secret_access_key = made-up
INI
}
file " for Tuesdays" >"$work/text"
file " # for Tuesdays" >"$work/comment"
cli() { # profile, file
  env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE="$2" AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
    /usr/bin/aws configure get aws_access_key_id --profile "$1"
}
sdk() { env -i HOME="$work" "$work/sdk" "$@"; }

/usr/bin/aws --version
echo "github.com/aws/aws-sdk-go-v2/config $config"
expect "AWS CLI, default" KEY-OF-DEFAULT "$(cli default "$work/text")"
expect "AWS CLI, work" KEY-OF-WORK "$(cli work "$work/text")"
expect "Go SDK, default" KEY-OF-WORK "$(sdk default "$work/text")"
expect "Go SDK, work" "failed to get shared config profile, work" "$(sdk work "$work/text")"
expect "AWS CLI, work, with a comment" KEY-OF-WORK "$(cli work "$work/comment")"
expect "Go SDK, default, with a comment" KEY-OF-DEFAULT "$(sdk default "$work/comment")"
expect "Go SDK, work, with a comment" KEY-OF-WORK "$(sdk work "$work/comment")"
