"""Fetches the role's credentials again and again by botocore, and prints as JSON how each try ended.

botocore finds the service by itself. Each try has a session of its own, or with "refresh" as the first argument, one session
fetches once, its clock moves on by the second argument (seconds), and it is asked again.
"""

import datetime
import json
import sys
import time

import botocore.session


def attempt(fetch):
    start = time.monotonic()
    outcome = {"result": "none"}
    try:
        credentials = fetch()
        if credentials:
            frozen = credentials.get_frozen_credentials()
            left = credentials._expiry_time - datetime.datetime.now(datetime.timezone.utc)
            outcome = {"result": "ok", "key": frozen.access_key, "left": left.total_seconds() / 60}
    except Exception as failure:
        outcome = {"result": "error", "error": "%s: %s" % (type(failure).__name__, failure)}
    outcome["seconds"] = time.monotonic() - start
    return outcome


def fresh():
    return botocore.session.Session().get_credentials()


if sys.argv[1:2] == ["refresh"]:
    kept = fresh()
    tries = [attempt(lambda: kept)]
    now = kept._time_fetcher
    kept._time_fetcher = lambda: now() + datetime.timedelta(seconds=float(sys.argv[2]))
    tries.append(attempt(lambda: kept))
else:
    tries = [attempt(fresh), attempt(fresh)]
json.dump(tries, sys.stdout)
