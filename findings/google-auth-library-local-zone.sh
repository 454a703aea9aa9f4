#!/usr/bin/env bash
# google-auth-library (npm) on an instance in a Local Zone or a Wavelength Zone: which region does it sign for?
#
# A good guess: the instance's, us-west-2. The metadata service has it at placement/region and in the identity document.
# Seen: the library reads placement/availability-zone, the region_url of every AWS configuration that Google's tools write, and
# takes its last letter off. That is right for us-west-2b. Of us-west-2-lax-1a it makes us-west-2-lax-1, and asks for the STS
# of a region that does not exist. AWS_REGION prevents it.
set -euo pipefail

readonly library=11.3.4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent "google-auth-library@$library"
cat >"$work/ask.mjs" <<'JS'
// A metadata service on the loopback for one question of the library: the answer is in the token that it would send to Google.
import { createServer } from "node:http";
import { AwsClient } from "google-auth-library";

const zone = process.argv[2];
const answers = {
  "/zone": zone,
  "/role": "r",
  "/role/r": JSON.stringify({ AccessKeyId: "MADE-UP", SecretAccessKey: "made-up", Token: "made-up" }),
};
const server = createServer((request, response) => {
  response.writeHead(request.url in answers ? 200 : 404);
  response.end(answers[request.url]);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const service = `http://127.0.0.1:${server.address().port}`;

const client = new AwsClient({
  type: "external_account",
  audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/aws",
  subject_token_type: "urn:ietf:params:aws:token-type:aws4_request",
  token_url: "https://sts.googleapis.com/v1/token",
  credential_source: {
    environment_id: "aws1",
    region_url: `${service}/zone`,
    url: `${service}/role`,
    regional_cred_verification_url: "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
  },
});
const token = JSON.parse(decodeURIComponent(await client.retrieveSubjectToken()));
console.log(new URL(token.url).host);
server.close();
JS
ask() { env -i PATH="$PATH" HOME="$work" "${@:2}" node "$work/ask.mjs" "$1"; }

echo "google-auth-library $library, node $(node --version)"
expect "us-west-2b" sts.us-west-2.amazonaws.com "$(ask us-west-2b)"
expect "us-west-2-lax-1a" sts.us-west-2-lax-1.amazonaws.com "$(ask us-west-2-lax-1a)"
expect "us-west-2-lax-1a, AWS_REGION=us-west-2" sts.us-west-2.amazonaws.com "$(ask us-west-2-lax-1a AWS_REGION=us-west-2)"
