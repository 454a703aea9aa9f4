package config

import (
	"strings"
	"testing"
)

func TestFault_RefusesWrongKeys(t *testing.T) {
	const none = "no effect; set delay, or one of status, reset, hang, drip, stall, cut, truncate, body, redirect, no_ttl, tokens, token_lost, throttle, credentials, skew"
	for _, c := range []refused{
		// effects
		{`{}`, "", none},
		{`{"match": {"paths": ["api/token"]}, "hang": false, "delay": "0s"}`, "", none},
		{`{"status": 503, "hang": true}`, "hang", "status is set too, and a fault has at most one effect; make two faults of it"},
		{`{"delay": "1s", "cut": 0, "truncate": 0}`, "truncate", "cut is set too, and a fault has at most one effect; make two faults of it"},
		{`{"skew": "1m", "throttle": {"rate": 1, "burst": 1}}`, "skew", "throttle is set too, and a fault has at most one effect; make two faults of it"},
		{`{"status": 200}`, "status", "200 is not from 400 to 599"},
		{`{"status": 600}`, "status", "600 is not from 400 to 599"},
		{`{"hang": true, "retry_after": "7s"}`, "retry_after", "is for an answer with a status alone; set status, such as 503"},
		{`{"status": 503, "retry_after": "1.5s"}`, "retry_after", "1.5s is not whole seconds"},
		{`{"status": 503, "retry_after": "0s"}`, "retry_after", "0s is not from 1s to 1h"},
		{`{"status": 503, "retry_after": "61m"}`, "retry_after", "1h1m is not from 1s to 1h"},
		{`{"drip": "11s"}`, "drip", "11s is not from 1ms to 10s"},
		{`{"drip": "1us"}`, "drip", "1µs is not from 1ms to 10s"},
		{`{"stall": -1}`, "stall", "-1 is less than 0"},
		{`{"cut": -1}`, "cut", "-1 is less than 0"},
		{`{"truncate": -1}`, "truncate", "-1 is less than 0"},
		{`{"body": "xml"}`, "body", `"xml" is not one of empty, html`},
		{`{"tokens": "lose"}`, "tokens", `"lose" is not one of refuse, forget`},
		{`{"skew": "0s"}`, "skew", "0s changes nothing; leave it out"},
		{`{"skew": "-8785h"}`, "skew", "-8785h is not from -8784h to 8784h"},
		{`{"throttle": {"burst": 1}}`, "throttle.rate", "is missing; write how many requests a second a client may send"},
		{`{"throttle": {"rate": 1}}`, "throttle.burst", "is missing; write how many requests a client may send at once"},
		{`{"throttle": {"rate": 0, "burst": 1}}`, "throttle.rate", "0 is not from 1 to 1000000"},
		{`{"credentials": {"code": "Success"}}`, "credentials.code", "Success is no error; write e.g. AssumeRoleUnauthorizedAccess"},
		{`{"credentials": {}}`, "credentials", "changes nothing; set one of expires_in, expired, code"},
		{`{"credentials": {"expired": true, "code": "X"}}`, "credentials.code", "credentials.expired is set too; keep one of them"},
		{`{"credentials": {"expires_in": "0s"}}`, "credentials.expires_in", "0s is not from 1s to 8784h"},
		{`{"credentials": {"code": "a b"}}`, "credentials.code", `"a b" holds a space or a control character`},
		// delays
		{`{"jitter": "1s", "hang": true}`, "jitter", "needs delay, which it is added to or taken from"},
		{`{"delay": "300ms", "jitter": "400ms"}`, "jitter", "400ms is more than delay, 300ms"},
		{`{"delay": "3m", "jitter": "150s"}`, "jitter", "2m30s and delay, 3m, are more than 5m together"},
		{`{"delay": "6m"}`, "delay", "6m is not from 0s to 5m"},
		{`{"delay": "-1s"}`, "delay", "-1s is not from 0s to 5m"},
		// match
		{`{"hang": true, "match": {"paths": ["api/token", "/latest/api/token"]}}`, "match.paths[1]", `"/latest/api/token" does not start below the version; write api/token`},
		{`{"hang": true, "match": {"methods": ["get"]}}`, "match.methods[0]", `"get" is not a method in capital letters; write e.g. GET or PUT`},
		{`{"hang": true, "match": {"version": "2"}}`, "match.version", `"2" is not one of v1, v2`},
		{
			`{"hang": true, "match": {"clients": ["clients[0]"]}}`, "match.clients[0]",
			`"clients[0]" is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16`,
		},
		{`{"hang": true, "match": {"user_agent": "a\tb"}}`, "match.user_agent", `"a\tb" holds a control character`},
		// dose
		{`{"hang": true, "dose": {"percent": 101}}`, "dose.percent", "101 is not from 0 to 100"},
		{`{"hang": true, "dose": {"percent": -1}}`, "dose.percent", "-1 is not from 0 to 100"},
		{`{"hang": true, "dose": {"skip": -1}}`, "dose.skip", "-1 is less than 0"},
		{`{"hang": true, "dose": {"count": -1}}`, "dose.count", "-1 is less than 0"},
		{`{"hang": true, "dose": {"every": 0}}`, "dose.every", "0 is less than 1"},
		{`{"hang": true, "dose": {"for": "0s"}}`, "dose.for", "0s is not from 1ms to 8784h"},
		{`{"hang": true, "dose": {"for": "1m", "until": "2026-12-01T02:00:00Z"}}`, "dose.until", "dose.for is set too; keep one of them"},
		{`{"hang": true, "dose": {"until": "noon"}}`, "dose.until", `"noon" is not a time; write e.g. 2026-12-01T02:00:00Z`},
	} {
		c.check(t, "faults", parseFault)
	}
}

func TestParseFault_WordsOfTheCommandLineHaveTheirKey(t *testing.T) {
	for body, want := range map[string]string{
		`{"path": "api/token", "hang": true}`: "path: unknown key; did you mean match.paths?",
		`{"count": 3, "hang": true}`:          "count: unknown key; did you mean dose.count?",
	} {
		if _, _, err := ParseFault([]byte(body)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
