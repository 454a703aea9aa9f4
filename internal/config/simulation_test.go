package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refused is an event or fault that is refused, with the same words in a file and in a body. The text is JSON, and so YAML.
type refused struct {
	text string
	key  string // at fault
	why  string
}

// check compares the errors of list, a key of the file, and of a parser of bodies.
func (c refused) check(t *testing.T, list string, parse func(body []byte) error) {
	t.Helper()
	t.Run(c.text, func(t *testing.T) {
		t.Helper()
		_, err := loadText(list+":\n  - "+c.text, nil, nil)
		key := list + "[0]"
		if c.key != "" {
			key += "." + c.key
		}
		if strings.HasSuffix(key, "]") && c.key != "" { // the line identifies the element
			key = key[:strings.LastIndexByte(key, '[')]
		}
		expectError(t, err, "f.yaml:2: "+key+": "+c.why)
		want := &FieldError{Field: c.key, Reason: c.why}
		if c.key != "" {
			want.Reason = c.key + ": " + c.why
		}
		expectFieldError(t, parse([]byte(c.text)), want)
	})
}

func expectFieldError(t *testing.T, err error, want *FieldError) {
	t.Helper()
	got, ok := errors.AsType[*FieldError](err)
	if !ok {
		t.Fatalf("got %v, want %q", err, want.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func parseEvent(body []byte) error {
	_, _, err := ParseEvent(body)
	return err
}

func parseFault(body []byte) error {
	_, _, err := ParseFault(body)
	return err
}

func TestLoad_EventsAndFaultsAreDecoded(t *testing.T) {
	l := mustLoad(t, `
events:
  - {id: reclaim, spot: terminate, in: 90s, notice: 0s, rebalance: 600s, then: clear}
  - id: window
    maintenance: system-reboot
    not_before: 2026-12-01T02:00:00Z
  - {rebalance: true, at: 2026-12-01T03:00:00+01:00, clients: ["clients[0]", 10.0.0.0/8, "::1"]}
  - tags: {set: {Name: ""}, unset: [Team]}
    after_requests: {count: 3}
  - {network: attach, interface: {local_ipv4s: [], mac: 0a:00:00:00:00:01}}
clients:
  - {from: 192.0.2.1, role: none}
faults:
  - id: slow-token
    match: {paths: [api/token], methods: [PUT], clients: [172.17.0.0/16], version: v2}
    dose: {percent: 0, skip: 2, count: 0, for: 10m, seed: 0}
    delay: 300ms
    jitter: 100ms
  - {throttle: {rate: 5, burst: 6, answer: 503}}
  - {cut: 0}
  - {skew: -5m}
`, nil, nil)
	var got []string
	for i := range l.Config.Events {
		got = append(got, l.Config.Events[i].ID+string(JSON(&l.Config.Events[i])))
	}
	for i := range l.Config.Faults {
		got = append(got, l.Config.Faults[i].ID+string(JSON(&l.Config.Faults[i])))
	}
	want := []string{
		`reclaim{"spot":"terminate","notice":"0s","rebalance":"10m","then":"clear","in":"90s"}`,
		`window{"maintenance":"system-reboot","not_before":"2026-12-01T02:00:00Z"}`,
		`{"rebalance":true,"at":"2026-12-01T03:00:00+01:00","clients":["clients[0]","10.0.0.0/8","::1"]}`,
		`{"tags":{"set":{"Name":""},"unset":["Team"]},"after_requests":{"count":3}}`,
		`{"network":"attach","interface":{"mac":"0a:00:00:00:00:01","local_ipv4s":[]}}`,
		`slow-token{"match":{"paths":["api/token"],"methods":["PUT"],"version":"v2","clients":["172.17.0.0/16"]},"dose":{"percent":0,"skip":2,"count":0,"for":"10m","seed":0},"delay":"300ms","jitter":"100ms"}`,
		`{"throttle":{"rate":5,"burst":6,"answer":503}}`,
		`{"cut":0}`,
		`{"skew":"-5m"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_RefusesEventsThatDoNotGoTogether(t *testing.T) {
	many := func(list, element string) string { return list + ":\n" + strings.Repeat("  - "+element+"\n", 101) }
	for _, b := range []bad{
		{"event ids", `
events:
  - {id: a, asg: gone}
  - {id: b, asg: gone}
  - {id: a, spot: stop}`, `
f.yaml:4: events[2].id: a is that of events[0], too; choose another`},
		{"fault ids", `
faults:
  - {id: a, hang: true}
  - {id: a, reset: true}`, `
f.yaml:3: faults[1].id: a is that of faults[0], too; choose another`},
		{"101 events", many("events", "{asg: gone}"), "f.yaml:1: events: 101 events; at most 100"},
		{"101 faults", many("faults", "{hang: true}"), "f.yaml:1: faults: 101 faults; at most 100"},
		{"no such entry of clients", `
events:
  - {asg: gone, clients: ["clients[0]"]}`, `
f.yaml:2: events[0].clients: there is no clients[0]; clients has no entry`},
		{"no such entry of clients after others", `
events:
  - asg: gone
    clients:
      - clients[1]
      - clients[2]
clients:
  - {from: 192.0.2.1, role: none}
  - {from: 192.0.2.2, role: none}`, `
f.yaml:5: events[0].clients: there is no clients[2]; clients has entries up to clients[1]`},
		{"in an entry of clients", `
clients:
  - from: 192.0.2.1
    events: [{asg: gone}]
    faults: [{hang: true}]`, `
f.yaml:3: clients[0].events: unknown key; events are at the top of the file; write clients[0] into clients of those that are for this entry alone
f.yaml:4: clients[0].faults: unknown key; faults are at the top of the file; write the addresses of this entry into their match.clients`},
		{"an empty element", `
events:
  -
  - {spot: stop, lag: 1s}`, `
f.yaml:2: events: an element of the list is empty`},
		{"several events, several problems", `
events:
  - {asg: gone, notice: 2m}
  - {spot: never}
  - spot: stop
    lag: 5s
    keep_ip: true
faults: [{}]`, `
f.yaml:2: events[0].notice: is not for an event of kind asg, only for spot; remove it
f.yaml:3: events[1].spot: "never" is not one of terminate, stop, hibernate
f.yaml:5: events[2].lag: is not for an event of kind spot, only for profile and network; remove it
f.yaml:6: events[2].keep_ip: is not for an event of kind spot, only for restart; remove it
f.yaml:7: faults[0]: no effect; set delay, or one of status, reset, hang, drip, stall, cut, truncate, body, redirect, no_ttl, tokens, token_lost, throttle, credentials, skew`},
		{"an unknown key", `
events: [{spot: stop, notices: 5m}]`, `
f.yaml:1: events[0].notices: unknown key; did you mean notice? allowed in events[0]: id, spot, notice, rebalance, then, maintenance, not_before, not_after, description, event_id, asg, profile, role, code, credentials, tags, options, network, address, mac, interface, lag, public_ip, restart, user_data, keep_ip, forget_tokens, set, unset, in, at, after_requests, clients, first_clients`},
	} {
		b.check(t)
	}
}

func TestLoad_EventsInFlagsAndVariables(t *testing.T) {
	const events = `[{spot: terminate, after_requests: {count: 3, path: meta-data/spot/instance-action}}]`
	const faults = `[{"match": {"paths": ["api/token"]}, "hang": true}]`
	want := Event{Spot: "terminate", AfterRequests: &AfterRequests{Count: 3, Path: "meta-data/spot/instance-action"}}
	for _, l := range []*Loaded{
		mustLoad(t, "events: [{asg: gone}]", nil, []string{"events=" + events, "faults=" + faults}),
		mustLoad(t, "", []string{"MOCK_EC2_METADATA__EVENTS=" + events, "MOCK_EC2_METADATA__FAULTS=" + faults}, nil),
	} {
		if diff := cmp.Diff([]Event{want}, l.Config.Events); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if f := l.Config.Faults; len(f) != 1 || !f[0].Hang || f[0].Match.Paths[0] != "api/token" {
			t.Errorf("faults: %v", f)
		}
	}
	_, err := loadText("", nil, []string{"events=[{asg: gone, notice: 2m}]", "faults={hang: true}", "faults[0].hang=true"})
	expectError(t, err, `--set events[0].notice: is not for an event of kind asg, only for spot; remove it
--set faults: want a list, but this is a block of keys
--set faults[0]: unknown key; did you mean faults? allowed at the top: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics`)
	_, err = loadText("", []string{"MOCK_EC2_METADATA__EVENTS=[{spot: stop, in: -1s}]"}, nil)
	expectError(t, err, `MOCK_EC2_METADATA__EVENTS: events[0].in: -1s is not from 0s to 8784h`)
}

func TestLoad_UnusualEventsGiveWarnings(t *testing.T) {
	expectWarnings(t, `events:
  - asg: RootVolumeReplaced
  - public_ip: 10.0.0.1
  - maintenance: instance-stop
    not_after: 2026-12-01T02:00:00Z
    event_id: mine
  - asg: Warmed:Hibernated
  - public_ip: release
`, `f.yaml:2: events[0].asg: "RootVolumeReplaced" is not one of InService, Terminated, Detached, Standby, Warmed:Running, Warmed:Stopped, Warmed:Hibernated, Warmed:Terminated, gone`,
		`f.yaml:3: events[1].public_ip: 10.0.0.1 is not a public address`,
		`f.yaml:5: events[2].not_after: EC2 shows no end of instance-stop`,
		`f.yaml:6: events[2].event_id: "mine" is not an event id as EC2 gives them, instance-event- and 17 hexadecimal digits`)
}

func TestYAML_EventsShowTheirKeysAndNoUserData(t *testing.T) {
	const file = `
events:
  - id: again
    restart: true
    user_data: "#!/bin/sh secret"
  - set: {user-data: secret, meta-data/x: "1"}
    unset: [meta-data/y]
  - {rebalance: true, clients: [10.0.0.0/8], after_requests: {count: 3}}
  - {spot: stop, notice: 90s, tags: null}
faults:
  - {dose: {percent: 0}, throttle: {rate: 5, burst: 6, answer: 503}}
`
	text := string(mustLoad(t, file, nil, nil).YAML())
	if strings.Contains(text, "secret") {
		t.Errorf("a secret is printed:\n%s", text)
	}
	_, text, _ = strings.Cut(text, "\nevents:")
	text, _, _ = strings.Cut(text, "\nserver:")
	want := `
  - id: again # f.yaml:3
    restart: true # f.yaml:4
    user_data: "[redacted]" # f.yaml:5
  - set:
      meta-data/x: "1" # f.yaml:6
      user-data: "[redacted]" # f.yaml:6
    unset: [meta-data/y] # f.yaml:7
  - rebalance: "true" # f.yaml:8
    after_requests:
      count: 3 # f.yaml:8
    clients: [10.0.0.0/8] # f.yaml:8
  - spot: stop # f.yaml:9
    notice: 90s # f.yaml:9
faults:
  - dose:
      percent: 0 # f.yaml:11
    throttle:
      rate: 5 # f.yaml:11
      burst: 6 # f.yaml:11
      answer: "503" # f.yaml:11`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mustLoad(t, "events:"+text, nil, nil)
}

func TestLoad_HopLimitOfAnEventNeedsLinux(t *testing.T) {
	const file = "events: [{options: {http_put_response_hop_limit: %s}}]"
	for limit, want := range map[string]string{"64": "", "1": "f.yaml:1: events[0].options.http_put_response_hop_limit: 1 needs Linux, and this is darwin; leave it at 64, no limit"} {
		_, err := load("f.yaml", []byte(strings.Replace(file, "%s", limit, 1)), Sources{}, "darwin")
		if want == "" {
			must(t, err)
		} else {
			expectError(t, err, want)
		}
	}
}

func TestLoad_ControlListenIsALoopbackAddress(t *testing.T) {
	const wrong = ` is not a loopback address with a port, and others may not reach the control API; write e.g. 127.0.0.1:5002 or [::1]:5002`
	for _, b := range []bad{
		{"all interfaces", `server: {control_listen: "0.0.0.0:1"}`, `f.yaml:1: server.control_listen: "0.0.0.0:1"` + wrong},
		{"a name", `server: {control_listen: "localhost:5002"}`, `f.yaml:1: server.control_listen: "localhost:5002"` + wrong},
		{"no host", `server: {control_listen: ":5002"}`, `f.yaml:1: server.control_listen: ":5002"` + wrong},
		{"no port", `server: {control_listen: 127.0.0.1}`, `f.yaml:1: server.control_listen: "127.0.0.1"` + wrong},
		{"a zone", `server: {control_listen: "[::1%lo]:5002"}`, `f.yaml:1: server.control_listen: "[::1%lo]:5002"` + wrong},
		{"another address", `server: {control_listen: "10.0.0.1:5002"}`, `f.yaml:1: server.control_listen: "10.0.0.1:5002"` + wrong},
		{"no control", `server: {control_listen: "127.0.0.1:5002", control: off}`, `f.yaml:1: server.control_listen: needs server.control, which is off; leave one of them out`},
		{
			"the metadata's port", `server: {control_listen: "127.0.0.1:5000"}`,
			`f.yaml:1: server.control_listen: 127.0.0.1:5000 cannot be opened beside 0.0.0.0:5000, which has the same port on the same interface; choose another port`,
		},
		{
			"an entry's address", "server: {control_listen: '127.0.0.1:5002'}\nclients: [{listen: '127.0.0.1:5002', role: none}]",
			`f.yaml:2: clients[0].listen: 127.0.0.1:5002 is in server.control_listen, too; choose another port`,
		},
		{
			"the metadata's address", `server: {control_listen: "127.0.0.1:5002", listen: ["127.0.0.1:5002"]}`,
			`f.yaml:1: server.control_listen: 127.0.0.1:5002 is in server.listen, too; choose another port`,
		},
	} {
		b.check(t)
	}
	for _, address := range []string{"127.0.0.1:5002", "[::1]:5002", "127.1.2.3:0"} {
		if l := mustLoad(t, "", nil, []string{"server.control_listen=" + address}); l.Config.Server.ControlListen != address {
			t.Errorf("%s is %s", address, l.Config.Server.ControlListen)
		}
	}
	if l := mustLoad(t, "ec2: {life_cycle: interruptible-capacity-reservation}", nil, nil); len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}
