#!/usr/bin/env bash
# http_proxy is set, and a program asks for an http:// URL. What does the proxy receive?
#
# A good guess: `GET http://host/path`. CONNECT is for https.
# Seen: curl does so. gaxios, the HTTP client of Google's libraries for Node, sends CONNECT for plain http too. A proxy that
# forwards plain requests alone, or allows CONNECT to port 443 alone, refuses it.
set -euo pipefail

readonly gaxios=8.3.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

npm install --prefix "$work" --save-exact --no-audit --no-fund --silent "gaxios@$gaxios"
cat >"$work/ask.mjs" <<'JS'
// A proxy on the loopback, which prints the first request of a client that asks for a name that does not exist.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { request } from "gaxios";

const url = "http://service.invalid/path";
const seen = [];
const proxy = createServer((received, response) => {
  seen.push(`${received.method} ${received.url}`);
  response.end("answer");
}).on("connect", (received, socket) => {
  seen.push(`${received.method} ${received.url}`);
  socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
});
await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
process.env.http_proxy = process.env.HTTP_PROXY = `http://127.0.0.1:${proxy.address().port}`;

const clients = {
  gaxios: () => request({ url, retry: false }),
  curl: () => new Promise((ended) => spawn("curl", ["-qsS", "--max-time", "5", url]).on("exit", ended)),
};
await clients[process.argv[2]]().catch(() => {});
console.log(seen[0] ?? "nothing");
proxy.closeAllConnections();
proxy.close();
JS
ask() { env -i PATH="$PATH" HOME="$work" node "$work/ask.mjs" "$1"; }

echo "gaxios $gaxios, node $(node --version), $(curl --version | cut -d' ' -f1-2 | head -n 1)"
expect "curl" "GET http://service.invalid/path" "$(ask curl)"
expect "gaxios" "CONNECT service.invalid:80" "$(ask gaxios)"
