#!/usr/bin/env bash
# amazon-ec2-metadata-mock, told by --asg-termination-trigger-time when the instance is to be Terminated.
#
# A good guess: it takes a time in RFC 3339, as its help says and as its flags --mock-trigger-time and --rebalance-trigger-time do;
# until then, target-lifecycle-state is InService.
# Seen: the flag refuses such a time, since it takes a whole number. With any number, a time in Unix seconds that is years ahead too,
# the instance is Terminated at once. The same setting as an environment variable takes the time, and waits for it.
set -euo pipefail

readonly version=v1.13.0
work=$(mktemp -d)
pid=
end() { if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi; pid=; }
trap 'end; chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

export HOME="$work" GOPATH="$work/go" GOCACHE="$work/cache"
GOBIN="$work" go install "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock@$version" >/dev/null 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
state() { # its further arguments
  "$work/ec2-metadata-mock" asglifecycle -n 127.0.0.1 -p "$port" "$@" >"$work/log" 2>&1 &
  pid=$!
  for _ in $(seq 100); do
    if curl -fs -o "$work/state" "http://127.0.0.1:$port/latest/meta-data/autoscaling/target-lifecycle-state"; then break; fi
    if ! kill -0 "$pid" 2>/dev/null; then grep -m1 -o 'invalid argument.*flag' "$work/log" >"$work/state"; break; fi
    sleep 0.1
  done
  end
}

echo "amazon-ec2-metadata-mock $version"
state --asg-termination-trigger-time 2060-01-01T00:00:00Z
expect "flag, a time in RFC 3339" 'invalid argument "2060-01-01T00:00:00Z" for "--asg-termination-trigger-time" flag' "$(cat "$work/state")"
state --asg-termination-trigger-time 2840140800
expect "flag, the same in seconds" Terminated "$(cat "$work/state")"
export AEMM_ASG_TERMINATION_TRIGGER_TIME=2060-01-01T00:00:00Z
state
expect "variable, the time in RFC 3339" InService "$(cat "$work/state")"
