#!/usr/bin/env bash
# AWS_CONTAINER_CREDENTIALS_FULL_URI with a fragment, and with a plus sign in its query.
#
# A good guess: clients send path and query as they are, and keep the fragment, `#…`, to themselves.
# Seen: the AWS SDK for JavaScript v3 sends the fragment too, with a second `#` in front, and `+` as `%20`. `%2B` and `%2F` stay
# as they are.
set -euo pipefail

readonly js=3.972.99
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent "@aws-sdk/credential-provider-node@$js"
cat >"$work/ask.mjs" <<'JS'
import { createServer } from "node:http";
import { defaultProvider } from "@aws-sdk/credential-provider-node";

const server = createServer((request, response) => {
  console.log(request.url);
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ AccessKeyId: "MADE-UP", SecretAccessKey: "made-up", Token: "made-up", Expiration: "2099-01-01T00:00:00Z" }));
});
server.listen(0, "127.0.0.1", async () => {
  process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `http://127.0.0.1:${server.address().port}${process.argv[2]}`;
  await defaultProvider()();
  server.close();
  server.closeAllConnections();
});
JS
ask() { env -i PATH="$PATH" HOME="$work" AWS_EC2_METADATA_DISABLED=true node "$work/ask.mjs" "$1"; }

echo "@aws-sdk/credential-provider-node $js, node $(node --version)"
expect "/web" /web "$(ask /web)"
expect "/web#top" "/web##top" "$(ask /web#top)"
expect "/web?id=a+b" "/web?id=a%20b" "$(ask /web?id=a+b)"
expect "/a%2Fb?id=a%2Bb" "/a%2Fb?id=a%2Bb" "$(ask /a%2Fb?id=a%2Bb)"
