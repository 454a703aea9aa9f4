#!/usr/bin/env bash
# botocore and credentials of the metadata service that have little life left, here 8 minutes.
#
# A good guess: it refreshes below 15 minutes, so it asks the service again at each use until it is given newer ones.
# Seen: it takes such a document for an outage of the service. It logs this at level INFO only, takes the credentials for valid
# for 17 to 25 minutes, and asks again when 15 of these are left, 2 to 10 minutes later. Ten uses cost one document.
# With 30 minutes left it believes the document.
set -euo pipefail

readonly botocore=1.29.27+repack-1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

if [ "$(dpkg-query -W -f '${Version}' python3-botocore 2>/dev/null)" != "$botocore" ]; then
  apt-get install -y --no-install-recommends python3-botocore="$botocore"
fi
cat >"$work/ask.py" <<'PY'
"""Ten uses of credentials from a metadata service on the loopback: how many documents they cost, and what botocore believes."""
import datetime
import http.server
import json
import logging
import os
import sys
import threading

import botocore.session

left = datetime.timedelta(minutes=int(sys.argv[1]))
now = datetime.datetime.now(datetime.timezone.utc)
documents = 0


class Service(http.server.BaseHTTPRequestHandler):
    def answer(self):
        global documents
        if self.path == "/latest/api/token":
            body = "token"
        elif self.path.endswith("/security-credentials/"):
            body = "role"
        else:
            documents += 1
            body = json.dumps({"Code": "Success", "AccessKeyId": "MADE-UP", "SecretAccessKey": "made-up", "Token": "made-up",
                               "Expiration": (now + left).strftime("%Y-%m-%dT%H:%M:%SZ")})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = answer

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:%d/" % server.server_port

messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logging.getLogger("botocore").addHandler(handler)
logging.getLogger("botocore").setLevel(logging.INFO)

credentials = botocore.session.Session().get_credentials()
for _ in range(10):
    credentials.get_frozen_credentials()
believed = (credentials._expiry_time - now).total_seconds() / 60
extended = any("expiration extension" in message for message in messages)
kind = "17 to 25" if 16.9 <= believed <= 25.1 else "%d" % round(believed)
print("%d document, %s minutes believed, extension logged: %s" % (documents, kind, extended))
PY
ask() { env -i PATH=/usr/bin:/bin HOME="$work" python3 "$work/ask.py" "$1"; }

echo "botocore $(env -i PATH=/usr/bin:/bin python3 -c 'import botocore; print(botocore.__version__)')"
expect "8 minutes left" "1 document, 17 to 25 minutes believed, extension logged: True" "$(ask 8)"
expect "30 minutes left" "1 document, 30 minutes believed, extension logged: False" "$(ask 30)"
