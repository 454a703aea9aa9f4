package cli

import (
	"fmt"
	"net/http"
	"testing"

	"mock-ec2-metadata/internal/api"
)

func TestEventList_HasALineForEach(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{"GET /v1/events": once(http.StatusOK, fmt.Sprintf(`{"events": [%s, %s, %s, %s]}`, noticed, armed, limited, restarted))})
	run(t, "event", "list").wants(t, ran{stdout: `ID  KIND            PHASE    SINCE                 NEXT                                   CLIENTS
s1  spot terminate  noticed  2026-11-29T12:00:00Z  acted 2026-11-29T12:02:00Z             all
a1  asg Terminated  pending  2026-11-29T12:00:00Z  after 3 requests of meta-data/spot/**  all
t1  tags            active   2026-11-29T12:00:00Z  -                                      first 2: 127.0.0.2
r1  restart         active   2026-11-29T12:00:00Z  -                                      127.0.0.0/8,::1
`})
	d.wantCalls(t, "GET /v1/events")
}

func TestEventList_WithoutEventsHasAHeader(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{"GET /v1/events": once(http.StatusOK, `{"events": []}`)})
	run(t, "event", "list").wants(t, ran{stdout: "ID  KIND  PHASE  SINCE  NEXT  CLIENTS\n"})
	run(t, "event", "list", "--json").wants(t, ran{stdout: "{\n  \"events\": []\n}\n"})
}

func TestEvent_JSONIsTheDocumentOfTheAPI(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/a1": once(http.StatusOK, armed),
		"POST /v1/events":   once(http.StatusCreated, armed),
	})
	want := ran{stdout: `{
  "id": "a1",
  "kind": "asg",
  "spec": {
    "asg": "Terminated",
    "after_requests": {
      "count": 3,
      "path": "meta-data/spot/**"
    }
  },
  "phase": "pending",
  "created_at": "2026-11-29T12:00:00Z",
  "activates_at": null,
  "phase_since": "2026-11-29T12:00:00Z",
  "hits": 0
}
`}
	run(t, "event", "show", "a1", "--json").wants(t, want)
	run(t, "event", "asg", "Terminated", "--json").wants(t, want)
}

// TestEventShow_IsReadable also has user data, which may hold secrets, and a text that would write to the terminal.
func TestEventShow_IsReadable(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/s1": once(http.StatusOK, noticed),
		"GET /v1/events/r1": once(http.StatusOK, restarted),
		"GET /v1/events/a1": once(http.StatusOK, armed),
		"GET /v1/events/x1": once(http.StatusOK, `{"id": "x1", "kind": "set", "spec": {"set": {"meta-data/x": "\u001b[2J\n"}}, "phase": "active"}`),
	})
	for _, tt := range []struct{ id, want string }{
		{"s1", `id: s1
kind: spot terminate
phase: noticed
since: 2026-11-29T12:00:00Z
next: acted 2026-11-29T12:02:00Z
created: 2026-11-29T12:00:00Z
activates: 2026-11-29T12:00:00Z
clients: all
hits: 3
spec: spot terminate, notice 2m
warning: ec2.life_cycle is on-demand; it is spot while this event lasts
`},
		{"r1", `id: r1
kind: restart
phase: active
since: 2026-11-29T12:00:00Z
next: -
created: 2026-11-29T12:00:00Z
activates: 2026-11-29T12:00:00Z
clients: 127.0.0.0/8,::1
hits: 0
spec: restart, user_data [redacted]
`},
		{"a1", `id: a1
kind: asg Terminated
phase: pending
since: 2026-11-29T12:00:00Z
next: after 3 requests of meta-data/spot/**
created: 2026-11-29T12:00:00Z
activates: after 3 requests of meta-data/spot/**
clients: all
hits: 0
spec: asg Terminated, after_requests count 3 path meta-data/spot/**
`},
		{"x1", `id: x1
kind: set
phase: active
since: -
next: later
created: -
activates: later
clients: all
hits: 0
spec: set meta-data/x \x1b[2J
`},
	} {
		t.Run(tt.id, func(t *testing.T) { run(t, "event", "show", tt.id).wants(t, ran{stdout: tt.want}) })
	}
}

func TestEvent_UnknownIDExits1(t *testing.T) {
	d := startFake(t, nil)
	want := ran{code: exitFailure, stderr: "mock-ec2-metadata: there is no event x; mock-ec2-metadata event list shows all\n"}
	run(t, "event", "show", "x").wants(t, want)
	run(t, "event", "cancel", "x").wants(t, want)
	run(t, "event", "wait", "x").wants(t, want)
	run(t, "event", "maintenance", "complete", "x").wants(t, want)
	d.wantCalls(t, "GET /v1/events/x", "GET /v1/events/x", "GET /v1/events/x/wait?timeout=5m0s", `POST /v1/events/x {"verb":"complete"}`)
}

func TestEventCancel_SaysWhatHasEnded(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/s1":    once(http.StatusOK, noticed),
		"DELETE /v1/events/s1": once(http.StatusNoContent, ""),
		"GET /v1/events":       once(http.StatusOK, fmt.Sprintf(`{"events": [%s, %s]}`, noticed, armed)),
		"DELETE /v1/events":    once(http.StatusNoContent, ""),
	})
	run(t, "event", "cancel", "s1").wants(t, ran{stdout: "s1 spot terminate canceled\n"})
	d.wantCalls(t, "GET /v1/events/s1", "DELETE /v1/events/s1")
	run(t, "event", "clear").wants(t, ran{stdout: "s1 spot terminate canceled\na1 asg Terminated canceled\n"})
	d.wantCalls(t, "GET /v1/events", "DELETE /v1/events")
}

func TestEventWait_PrintsTheEvent(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/s1/wait?phase=noticed&timeout=10s": once(http.StatusOK, noticed),
		"GET /v1/events/s1/wait?timeout=5m0s":              once(http.StatusOK, noticed),
	})
	want := ran{stdout: "s1 spot terminate noticed, acted at 2026-11-29T12:02:00Z\n"}
	run(t, "event", "wait", "s1", "noticed", "--timeout", "10s").wants(t, want)
	run(t, "event", "wait", "s1").wants(t, want)
	d.wantCalls(t, "GET /v1/events/s1/wait?phase=noticed&timeout=10s", "GET /v1/events/s1/wait?timeout=5m0s")
}

// TestEventWait_GoesOnBeyondTheLimitOfTheDaemon waits for 25 minutes, of which the daemon takes ten at a time.
func TestEventWait_GoesOnBeyondTheLimitOfTheDaemon(t *testing.T) {
	late := once(http.StatusRequestTimeout, `{"error": "event s1: has not come to the phase within 10m0s"}`)
	d := startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/s1/wait?phase=acted&timeout=10m0s": late,
		"GET /v1/events/s1/wait?phase=acted&timeout=5m0s":  late,
		"GET /v1/events/s1": once(http.StatusOK, noticed),
	})
	run(t, "event", "wait", "s1", "acted", "--timeout", "25m").wants(t, ran{
		code:   exitFailure,
		stderr: "mock-ec2-metadata: event s1 is in the phase noticed after 25m0s, not in acted; wait longer with --timeout\n",
	})
	const ten = "GET /v1/events/s1/wait?phase=acted&timeout=10m0s"
	d.wantCalls(t, ten, ten, "GET /v1/events/s1/wait?phase=acted&timeout=5m0s", "GET /v1/events/s1")
}

func TestEventWait_WithoutAPhaseTimesOutToo(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/events/a1/wait?timeout=1s": once(http.StatusRequestTimeout, `{"error": "late"}`),
		"GET /v1/events/a1":                 once(http.StatusOK, armed),
	})
	run(t, "event", "wait", "a1", "--timeout", "1s").wants(t, ran{
		code:   exitFailure,
		stderr: "mock-ec2-metadata: event a1 is in the phase pending after 1s, not in another phase; wait longer with --timeout\n",
	})
}

func TestEventClients_NamesThoseThatSeeIt(t *testing.T) {
	for _, tt := range []struct {
		spec    string
		clients []string
		want    string
	}{
		{`{}`, nil, "all"},
		{`{}`, []string{"::1"}, "::1"},
		{`{"first_clients": 2}`, nil, "first 2"},
		{`{"first_clients": 2}`, []string{"127.0.0.1", "::1"}, "first 2: 127.0.0.1,::1"},
	} {
		if got := eventClients(&api.Event{Spec: []byte(tt.spec), Clients: tt.clients}); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.spec, tt.clients, got, tt.want)
		}
	}
}
