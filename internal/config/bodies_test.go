package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseEvent_RefusesWhatIsNotOneObject(t *testing.T) {
	const send = `; send one object such as {"spot": "terminate"}`
	deep := `{"tags": ` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`
	for _, c := range []refused{
		{``, "", "not valid JSON: unexpected end of JSON input" + send},
		{`{"spot": "stop"`, "", "not valid JSON: unexpected end of JSON input" + send},
		{`{"spot": "stop"} {}`, "", "not valid JSON: invalid character '{' after top-level value" + send},
		{`{"spot": "stop",}`, "", "not valid JSON: invalid character '}' looking for beginning of object key string" + send},
		{`{spot: stop}`, "", "not valid JSON: invalid character 's' looking for beginning of object key string" + send},
		{`[{"spot": "stop"}]`, "", "want a JSON object, but this is a list"},
		{`"spot"`, "", "want a JSON object, but this is a text"},
		{`null`, "", "want a JSON object, but this is null"},
		{"{\"asg\": \"\xff\"}", "", "not UTF-8 text"},
		{deep, "", "nested deeper than 16 levels; no key needs that"},
		{`{"spot": "stop", "spot": "stop"}`, "spot", "set a second time"},
		{`{"tags": {"set": {"a": "1", "a": "2"}}}`, "tags.set.a", "set a second time"},
		{`{"": 1}`, "", "a key must not be empty"},
		{`{"a\nb": 1}`, `"a\nb"`, "unknown key; allowed at the top: " + strings.Join(keys(eventType), ", ")},
		{`{"spot": "stop", "notices": "5m"}`, "notices", "unknown key; did you mean notice? allowed at the top: " + strings.Join(keys(eventType), ", ")},
		{`{"asg": "gone", "after_requests": {"n": 3}}`, "after_requests.n", "unknown key; allowed in after_requests: count, path"},
		{`{"<<": {"spot": "stop"}}`, "<<", "unknown key; allowed at the top: " + strings.Join(keys(eventType), ", ")},
		// types
		{`{"spot": 1}`, "spot", "want a text, but this is a number"},
		{`{"spot": true}`, "spot", "want a text, but this is a boolean"},
		{`{"spot": ["stop"]}`, "spot", "want a text, but this is a list"},
		{`{"spot": "stop", "notice": 120}`, "notice", "want a duration such as 15m, but this is a number"},
		{`{"restart": "true"}`, "restart", "want true or false, but this is a text"},
		{`{"restart": 1}`, "restart", "want true or false, but this is a number"},
		{`{"rebalance": "true"}`, "rebalance", "want true without quotes, or a duration such as 15m"},
		{`{"rebalance": false}`, "rebalance", "want a text, but this is a boolean"},
		{`{"asg": "gone", "first_clients": "2"}`, "first_clients", "want a number, but this is a text"},
		{`{"asg": "gone", "first_clients": 1.5}`, "first_clients", `"1.5" is not a whole decimal number`},
		{`{"asg": "gone", "first_clients": 1e3}`, "first_clients", `"1e3" is not a whole decimal number`},
		{`{"asg": "gone", "first_clients": 99999999999999999999}`, "first_clients", `"99999999999999999999" is not a whole decimal number`},
		{`{"asg": "gone", "clients": "10.0.0.0/8"}`, "clients", "want a list, but this is a single value"},
		{`{"asg": "gone", "clients": [null]}`, "clients", "an element of the list is empty"},
		{`{"asg": "gone", "clients": [1]}`, "clients[0]", "want a text, but this is a number"},
		{`{"tags": {"set": {"a": 1}}}`, "tags.set.a", "want a text, but this is a number"},
		{`{"tags": {"set": {"a": {}}}}`, "tags.set.a", "want a text, but this is a block of keys"},
		{`{"tags": []}`, "tags", "want a block of keys, but this is a list; allowed here: set, unset"},
		{`{"set": "meta-data/x"}`, "set", `want a block of "key: value" lines, but this is a single value`},
	} {
		want := &FieldError{Field: c.key, Reason: c.why}
		if c.key != "" {
			want.Reason = c.key + ": " + c.why
		}
		t.Run(c.text, func(t *testing.T) { expectFieldError(t, parseEvent([]byte(c.text)), want) })
	}
	expectFieldError(t, parseFault([]byte(`{"cut": "0"}`)), &FieldError{Field: "cut", Reason: "cut: want a number, but this is a text"})
}

func TestParseEvent_NullLeavesAKeyOut(t *testing.T) {
	e, warnings, err := ParseEvent([]byte(` {"id": "a", "spot": "stop", "notice": null, "tags": null, "clients": null, "then": ""} `))
	must(t, err)
	if diff := cmp.Diff(Event{ID: "a", Spot: "stop"}, e); diff != "" || len(warnings) > 0 {
		t.Errorf("warnings %q (-want +got):\n%s", warnings, diff)
	}
}

func TestParseEvent_WarnsOfUnusualValues(t *testing.T) {
	e, warnings, err := ParseEvent([]byte(`{"asg": "RootVolumeReplaced"}`))
	must(t, err)
	if want := `asg: "RootVolumeReplaced" is not one of ` + lifecycleStates; e.ASG != "RootVolumeReplaced" || len(warnings) != 1 || warnings[0] != want {
		t.Errorf("got %q, want %q", warnings, want)
	}
}

func TestParseEvent_NoSecretIsInAnError(t *testing.T) {
	for _, body := range []string{
		`{"restart": true, "user_data": "secret` + strings.Repeat("x", 17000) + `"}`, `{"set": {"user-data": "secret` + strings.Repeat("x", 17000) + `"}}`,
		`{"restart": true, "user_data": "secret"`, `{"asg": "gone", "user_data": "secret"}`, `{"restart": true, "user_data": ["secret"]}`,
	} {
		if err := parseEvent([]byte(body)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}

func TestParseMaintenance_ReadsVerbs(t *testing.T) {
	for body, want := range map[string]MaintenanceVerb{
		`{"verb": "complete"}`: {Verb: "complete"},
		`{"verb": "reschedule", "not_before": "2026-12-01T02:00:00Z", "not_after": "2026-12-01T04:00:00Z"}`: {
			Verb: "reschedule", NotBefore: "2026-12-01T02:00:00Z", NotAfter: "2026-12-01T04:00:00Z",
		},
	} {
		got, err := ParseMaintenance([]byte(body))
		must(t, err)
		if got != want {
			t.Errorf("%s is %v", body, got)
		}
	}
	for body, want := range map[string]FieldError{
		`{}`:                     {"verb", "verb: is missing; write complete, cancel or reschedule"},
		`{"verb": "stop"}`:       {"verb", `verb: "stop" is not one of complete, cancel, reschedule`},
		`{"verb": "reschedule"}`: {"not_before", "not_before: is missing, and reschedule needs it; write e.g. 2026-12-01T02:00:00Z"},
		`{"verb": "cancel", "not_before": "2026-12-01T02:00:00Z"}`:                                          {"not_before", "not_before: is not for cancel, only for reschedule; remove it"},
		`{"verb": "complete", "not_after": "2026-12-01T02:00:00Z"}`:                                         {"not_after", "not_after: is not for complete, only for reschedule; remove it"},
		`{"verb": "reschedule", "not_before": "2026-12-01T02:00:00Z", "not_after": "2026-12-01T02:00:00Z"}`: {"not_after", "not_after: 2026-12-01T02:00:00Z is not after not_before, 2026-12-01T02:00:00Z"},
	} {
		_, err := ParseMaintenance([]byte(body))
		expectFieldError(t, err, &want)
	}
}

func TestParseEvent_EqualEventsHaveEqualWords(t *testing.T) {
	a, _, err := ParseEvent([]byte(`{"spot": "stop", "rebalance": "600s", "notice": "120s"}`))
	must(t, err)
	b, _, err := ParseEvent([]byte(`{"notice": "2m0s", "rebalance": "10m", "spot": "stop"}`))
	must(t, err)
	if string(JSON(&a)) != string(JSON(&b)) || *a.Notice != 2*time.Minute {
		t.Errorf("%s and %s", JSON(&a), JSON(&b))
	}
}

// goodEvents and goodFaults are bodies of each kind and effect, at limits.
var goodEvents = []string{
	`{"id": "s", "spot": "terminate", "notice": "2m", "rebalance": "10m", "then": "stay", "in": "30s", "clients": ["10.0.0.0/8", "clients[0]"]}`,
	`{"rebalance": true, "after_requests": {"count": 3, "path": "api/token"}, "first_clients": 2}`,
	`{"maintenance": "system-reboot", "not_before": "2026-12-01T02:00:00Z", "not_after": "2026-12-01T04:00:00Z", "description": "d", "event_id": "x"}`,
	`{"asg": "InService", "at": "2026-12-01T02:00:00Z"}`, `{"profile": "replace", "role": "web", "lag": "5s"}`, `{"credentials": "rotate"}`,
	`{"tags": {"set": {"K": "V"}, "unset": ["L"]}}`, `{"options": {"http_tokens": "required", "http_put_response_hop_limit": 1}}`,
	`{"network": "attach", "interface": {"mac": "0a:00:00:00:00:01", "local_ipv4s": [], "device_number": 2}}`, `{"network": "add-ip", "address": "10.0.0.20"}`,
	`{"public_ip": "198.51.100.7"}`, `{"restart": true, "user_data": "<&>\u2028", "keep_ip": true}`, `{"set": {"meta-data/x": ""}, "unset": ["meta-data/y"]}`,
	`{"spot": "hibernate", "notice": "8784h", "in": "8784h"}`, `{"asg": "gone", "first_clients": 10000}`, `{"unset": ["meta-data/y"]}`,
}

var goodFaults = []string{
	`{"match": {"paths": ["api/token"], "methods": ["PUT"], "clients": ["::1"], "version": "v2", "user_agent": "aws"}, "dose": {"percent": 0, "seed": -1}, "hang": true}`,
	`{"status": 503, "retry_after": "7s", "delay": "1s", "jitter": "1s"}`, `{"cut": 0}`, `{"throttle": {"rate": 1, "burst": 2, "answer": 503}}`,
	`{"credentials": {"expires_in": "5m"}}`, `{"skew": "-8784h"}`, `{"hang": true, "dose": {"for": "1m", "every": 3}}`, `{"delay": "5m"}`,
	`{"delay": "150s", "jitter": "150s", "truncate": 0}`, `{"status": 400, "retry_after": "1h"}`, `{"drip": "1ms"}`, `{"drip": "10s", "dose": {"percent": 100}}`,
	`{"throttle": {"rate": 1, "burst": 2, "answer": "503"}}`, `{"throttle": {"rate": 1, "burst": 2, "answer": "drop"}}`,
}

func TestParse_AcceptsEachKindAndEffect(t *testing.T) {
	for _, body := range goodEvents {
		e, _, err := ParseEvent([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		l := mustLoad(t, "events: ["+body+"]\nclients: [{from: 192.0.2.1, role: none}]", nil, nil)
		if diff := cmp.Diff(e, l.Config.Events[0]); diff != "" {
			t.Errorf("%s (-body +file):\n%s", body, diff)
		}
	}
	for _, body := range goodFaults {
		f, _, err := ParseFault([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff(f, mustLoad(t, "faults: ["+body+"]", nil, nil).Config.Faults[0]); diff != "" {
			t.Errorf("%s (-body +file):\n%s", body, diff)
		}
	}
}

// A body of 64 KiB can have 8,000 unknown keys. Only the first one is worth a suggestion.
func TestParseEvent_StopsAtTheFirstProblem(t *testing.T) {
	var body strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&body, `,"%x":1`, i)
	}
	text := []byte("{" + body.String()[1:] + "}")
	n := testing.AllocsPerRun(1, func() {
		expectFieldError(t, parseEvent(text), &FieldError{Field: "0", Reason: "0: unknown key; allowed at the top: " + strings.Join(keys(eventType), ", ")})
	})
	if n > 300_000 {
		t.Errorf("%v allocations", n)
	}
}

var badBodies = []string{`[[[`, `{"a": null}`, `{"spot": {"spot": 1}}`}

func FuzzParseEvent(f *testing.F) {
	for _, seed := range slices.Concat(goodEvents, goodFaults, badBodies) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, _, err := ParseEvent(body)
		if err != nil {
			checkFieldError(t, err)
			return
		}
		text := JSON(&e)
		again, _, err := ParseEvent(text)
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		again.ID = e.ID
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	})
}

func FuzzParseFault(f *testing.F) {
	for _, seed := range slices.Concat(goodEvents, goodFaults, badBodies) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, _, err := ParseFault(body)
		if err != nil {
			checkFieldError(t, err)
			return
		}
		text := JSON(&e)
		again, _, err := ParseFault(text)
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		again.ID = e.ID
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	})
}

// checkFieldError requires one line that starts with the field.
func checkFieldError(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*FieldError) //nolint:errorlint // it is no other
	if !ok || !strings.HasPrefix(e.Reason, e.Field) || strings.ContainsAny(e.Reason, "\n\r") {
		t.Errorf("%T %q", err, err)
	}
}
