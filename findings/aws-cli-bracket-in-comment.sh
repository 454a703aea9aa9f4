#!/usr/bin/env bash
# ~/.aws/config with a comment after a heading, and a bracket in the comment: `[profile work] # see [wiki]`.
#
# A good guess: the heading ends at the first `]`, as it does with `[profile work] # see wiki`.
# Seen: with Python 3.11 the AWS CLI takes everything up to the LAST `]` of the line for the name. Profile work
# is gone, and the error does not say why. The AWS SDK for JavaScript v3 reads the same file.
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
const [profile, configFilepath] = process.argv.slice(2);
console.log((await fromIni({ profile, configFilepath, filepath: "/dev/null" })()).accessKeyId);
JS

file() { # the heading's line
  cat <<INI
$1
aws_access_key_id = KEY-OF-WORK
aws_secret_access_key = made-up
INI
}
file "[profile work] # see wiki" >"$work/plain"
file "[profile work] # see [wiki]" >"$work/bracket"
cli() { # file, command ...
  env -i PATH="$PATH" HOME="$work" AWS_CONFIG_FILE="$1" AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
    /usr/bin/aws configure "${@:2}" 2>&1 || true
}
sdk() { env -i PATH="$PATH" HOME="$work" node "$work/sdk.mjs" work "$1"; }

/usr/bin/aws --version
echo "@aws-sdk/credential-provider-ini $ini, @smithy/core $core, node $(node --version)"
expect "AWS CLI, list-profiles, plain comment" work "$(cli "$work/plain" list-profiles)"
expect "AWS CLI, list-profiles, comment with a bracket" "" "$(cli "$work/bracket" list-profiles)"
expect "AWS CLI, profile work, comment with a bracket" "The config profile (work) could not be found" \
  "$(cli "$work/bracket" get aws_access_key_id --profile work | sed '/^$/d')"
expect "JavaScript SDK, profile work, comment with a bracket" KEY-OF-WORK "$(sdk "$work/bracket")"
