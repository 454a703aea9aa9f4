#!/usr/bin/env bash
# A profile whose name has a blank, as `aws configure --profile 'my work'` accepts and writes it.
#
# A good guess: AWS's SDKs read what AWS's own tool writes.
# Seen: the AWS CLI writes `[my work]` and `[profile 'my work']`, and reads them back. The AWS SDK for JavaScript v3 finds the
# profile in neither file: its names have letters, digits and some signs, but no blank. It does so with any quoting.
# A name with a slash works in both.
set -euo pipefail

readonly awscli=2.9.19-1 ini=3.973.32 core=3.41.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

if [ "$(dpkg-query -W -f '${Version}' awscli 2>/dev/null)" != "$awscli" ]; then
  apt-get install -y --no-install-recommends awscli="$awscli"
fi
npm install --prefix "$work" --save-exact --no-audit --no-fund --silent "@aws-sdk/credential-provider-ini@$ini" "@smithy/core@$core"
cat >"$work/sdk.mjs" <<'JS'
import { fromIni } from "@aws-sdk/credential-provider-ini";
try {
  console.log((await fromIni({ profile: process.argv[2] })()).accessKeyId);
} catch (error) {
  console.log(error.message);
}
JS

clean() { # command ...
  env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE="$work/config" AWS_SHARED_CREDENTIALS_FILE="$work/credentials" \
    AWS_EC2_METADATA_DISABLED=true "$@"
}
configure() { # profile, key id: the answers to the four questions of `aws configure`
  printf '%s\n' "$2" made-up eu-west-1 json | clean /usr/bin/aws configure --profile "$1" >/dev/null
}
configure "my work" KEY-WITH-BLANK
configure "my/work" KEY-WITH-SLASH

/usr/bin/aws --version
echo "@aws-sdk/credential-provider-ini $ini, @smithy/core $core, node $(node --version)"
expect "written to config" "[profile 'my work']" "$(sed -n 1p "$work/config")"
expect "written to credentials" "[my work]" "$(sed -n 1p "$work/credentials")"
expect "AWS CLI" KEY-WITH-BLANK "$(clean /usr/bin/aws configure get aws_access_key_id --profile "my work")"
expect "JavaScript SDK" "Could not resolve credentials using profile: [my work] in configuration/credentials file(s)." \
  "$(clean node "$work/sdk.mjs" "my work")"
expect "JavaScript SDK, a slash" KEY-WITH-SLASH "$(clean node "$work/sdk.mjs" my/work)"
