#!/usr/bin/env bash
# botocore holds credentials with 12 minutes left, and the service that gave them answers 503 to its refresh.
#
# A good guess: it uses the old ones. It refreshes from 15 minutes before the end on, and a failure is passed to the caller in the
# last 10 minutes only; its source says so beside the code.
# Seen: that is so for credentials of a container (AWS_CONTAINER_CREDENTIALS_FULL_URI). Those of the metadata service fail at
# once with CredentialRetrievalError: its fetcher takes an outage for an empty answer and not for a failure. So a single 503
# fails a request, although the keys are good for 12 minutes more.
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
"""Credentials of 30 minutes from a service on the loopback, which then has an outage, and a clock that goes forward."""
import datetime
import http.server
import json
import os
import sys
import threading

import botocore.exceptions
import botocore.session

source, left = sys.argv[1], datetime.timedelta(minutes=int(sys.argv[2]))
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
outage, refused = False, 0


class Service(http.server.BaseHTTPRequestHandler):
    def answer(self):
        global refused
        if self.path == "/latest/api/token":
            status, body = 200, "token"
        elif outage:
            status, body = 503, ""
            refused += 1
        elif self.path.endswith("/security-credentials/"):
            status, body = 200, "role"
        else:
            status, body = 200, json.dumps({"Code": "Success", "AccessKeyId": "OLD", "SecretAccessKey": "made-up",
                                            "Token": "made-up", "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = answer

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_port
if source == "container":
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url + "role"
else:
    os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url

credentials = botocore.session.Session().get_credentials()
outage = True
credentials._time_fetcher = lambda: end - left
try:
    result = "the key " + credentials.get_frozen_credentials().access_key
except botocore.exceptions.CredentialRetrievalError as error:
    result = type(error).__name__
print("%s, asked the service: %s" % (result, refused > 0))
PY
ask() { env -i PATH=/usr/bin:/bin HOME="$work" python3 "$work/ask.py" "$@"; }

echo "botocore $(env -i PATH=/usr/bin:/bin python3 -c 'import botocore; print(botocore.__version__)')"
expect "metadata service, 16 minutes left" "the key OLD, asked the service: False" "$(ask metadata 16)"
expect "metadata service, 12 minutes left" "CredentialRetrievalError, asked the service: True" "$(ask metadata 12)"
expect "container, 12 minutes left" "the key OLD, asked the service: True" "$(ask container 12)"
expect "container, 8 minutes left" "CredentialRetrievalError, asked the service: True" "$(ask container 8)"
