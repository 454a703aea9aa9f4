package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// fakeDaemon is a control socket whose answers a test chooses.
type fakeDaemon struct {
	socket  string
	answers map[string][]fakeAnswer // by "METHOD /path?query"

	mu  sync.Mutex
	got []string // "METHOD /path?query body"
}

// fakeAnswer is used once, the last one of its request always.
type fakeAnswer struct {
	status int
	body   string
}

// startFake serves answers at a socket until the test ends, and makes it the one of the environment.
func startFake(t *testing.T, answers map[string][]fakeAnswer) *fakeDaemon {
	t.Helper()
	isolate(t)
	d := &fakeDaemon{socket: filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "fake.sock"), answers: answers}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: d}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
	t.Setenv("MOCK_EC2_METADATA_CONTROL", d.socket)
	return d
}

func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	call := r.Method + " " + r.URL.RequestURI()
	d.mu.Lock()
	d.got = append(d.got, strings.TrimSpace(call+" "+string(text)))
	answers := d.answers[call]
	if len(answers) > 1 {
		d.answers[call] = answers[1:]
	}
	d.mu.Unlock()
	switch {
	case len(text) > 0 && r.Header.Get("Content-Type") != "application/json":
		w.WriteHeader(http.StatusUnsupportedMediaType)
	case len(answers) == 0:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error": "there is no such thing"}`)
	case answers[0].status == 0: // waits, as a long poll does
		<-r.Context().Done()
	default:
		w.WriteHeader(answers[0].status)
		_, _ = io.WriteString(w, answers[0].body)
	}
}

// calls are those since the last time.
func (d *fakeDaemon) calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	got := d.got
	d.got = nil
	return got
}

// wantCalls compares the calls since the last time.
func (d *fakeDaemon) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if got := d.calls(); !slices.Equal(got, want) {
		t.Errorf("the daemon was sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wants compares how a command has ended.
func (r ran) wants(t *testing.T, want ran) {
	t.Helper()
	if r != want {
		t.Errorf("code %d\nstdout: %s\nstderr: %s\nwant code %d\nstdout: %s\nstderr: %s", r.code, r.stdout, r.stderr, want.code, want.stdout, want.stderr)
	}
}

// once is an answer that each request gets.
func once(status int, body string) []fakeAnswer { return []fakeAnswer{{status, body}} }

// Documents as of control-api section 2.
const (
	noticed = `{"id": "s1", "kind": "spot", "spec": {"spot": "terminate", "notice": "2m"}, "phase": "noticed", "created_at": "2026-11-29T12:00:00Z",
		"activates_at": "2026-11-29T12:00:00Z", "phase_since": "2026-11-29T12:00:00Z", "next_phase": "acted", "next_phase_at": "2026-11-29T12:02:00Z",
		"hits": 3, "warnings": ["ec2.life_cycle is on-demand; it is spot while this event lasts"]}`
	armed = `{"id": "a1", "kind": "asg", "spec": {"asg": "Terminated", "after_requests": {"count": 3, "path": "meta-data/spot/**"}}, "phase": "pending",
		"created_at": "2026-11-29T12:00:00Z", "activates_at": null, "phase_since": "2026-11-29T12:00:00Z", "hits": 0}`
	limited = `{"id": "t1", "kind": "tags", "spec": {"tags": {"set": {"Name": "web"}}, "first_clients": 2}, "phase": "active",
		"created_at": "2026-11-29T12:00:00Z", "activates_at": "2026-11-29T12:00:00Z", "phase_since": "2026-11-29T12:00:00Z",
		"clients": ["127.0.0.2"], "hits": 0}`
	restarted = `{"id": "r1", "kind": "restart", "spec": {"restart": true, "user_data": "hunter2"}, "phase": "active", "created_at": "2026-11-29T12:00:00Z",
		"activates_at": "2026-11-29T12:00:00Z", "phase_since": "2026-11-29T12:00:00Z", "clients": ["127.0.0.0/8", "::1"], "hits": 0}`
	lateSpot = "warning: ec2.life_cycle is on-demand; it is spot while this event lasts\n"

	outage = `{"id": "f", "match": {"paths": ["meta-data/iam/**"], "methods": ["GET"], "version": "v2"}, "dose": {"count": 2},
		"effect": {"delay": "1s", "status": 503, "retry_after": "7s"}, "hits": 2, "created_at": "2026-11-29T12:00:00Z", "expires_at": null}`
	hanging = `{"id": "f1", "match": {}, "dose": {}, "effect": {"hang": true}, "hits": 0, "created_at": "2026-11-29T12:00:00Z",
		"expires_at": "2026-11-29T12:10:00Z"}`
)

// simulationCommands are command lines of all commands that ask the daemon.
func simulationCommands() [][]string {
	return [][]string{
		{"event", "spot", "stop"},
		{"event", "maintenance", "complete", "w"},
		{"event", "list"},
		{"event", "show", "s1"},
		{"event", "cancel", "s1"},
		{"event", "clear"},
		{"event", "wait", "s1"},
		{"fault", "add", "--hang"},
		{"fault", "list"},
		{"fault", "show", "f"},
		{"fault", "remove", "f"},
		{"fault", "clear"},
		{"requests"},
		{"requests", "--follow"},
	}
}

// TestSimulation_RefusalGoesToStderr has a daemon that refuses all.
func TestSimulation_RefusalGoesToStderr(t *testing.T) {
	isolate(t)
	socket := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "refusing.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"error": "spot: the event s0 is active; cancel it first", "field": "spot"}`)
	})}
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Close() }()
	const want = "mock-ec2-metadata: spot: the event s0 is active; cancel it first\n"
	for _, args := range simulationCommands() {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			run(t, append(args, "--control", socket)...).wants(t, ran{code: exitFailure, stderr: want})
		})
	}
}

func TestSimulation_DeadSocketExits3(t *testing.T) {
	isolate(t)
	want := "mock-ec2-metadata: MOCK_EC2_METADATA_CONTROL names /none.sock, which does not exist; unset it, or run this where the daemon runs\n"
	t.Setenv("MOCK_EC2_METADATA_CONTROL", "/none.sock")
	for _, args := range simulationCommands() {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			run(t, args...).wants(t, ran{code: exitNoDaemon, stderr: want})
		})
	}
}

// completions are the words that a shell would offer, without the directive for it.
func completions(t *testing.T, args ...string) string {
	t.Helper()
	got := run(t, append([]string{"__complete"}, args...)...)
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	return strings.Join(lines[:len(lines)-1], "\n")
}

func TestSimulation_ShellCompletesWords(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/events": once(http.StatusOK, fmt.Sprintf(`{"events": [%s, %s]}`, noticed, armed)),
		"GET /v1/faults": once(http.StatusOK, fmt.Sprintf(`{"faults": [%s]}`, outage)),
	})
	const events = "s1\tspot terminate noticed\na1\tasg Terminated pending"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"event", "spot", ""}, "terminate\nstop\nhibernate"},
		{[]string{"event", "spot", "stop", "--then", ""}, "stay\nclear\ngone\nexit"},
		{[]string{"event", "asg", ""}, strings.Join(asgStates(), "\n")},
		{[]string{"event", "profile", "break", ""}, "InstanceProfileNotFound\nNoRole\nAssumeRoleUnauthorizedAccess"},
		{[]string{"event", "show", ""}, events},
		{[]string{"event", "cancel", ""}, events},
		{[]string{"event", "wait", ""}, events},
		{[]string{"event", "wait", "s1", ""}, "rebalance\nnoticed\nacted\nscheduled\ncompleted\ncanceled\npartial\ncomplete\nlag\nactive"},
		{[]string{"event", "show", "s1", ""}, ""},
		{[]string{"event", "restart", ""}, ""},
		{[]string{"fault", "remove", ""}, "f\tdelay 1s, status 503, Retry-After 7s"},
		{[]string{"fault", "add", "--tokens", ""}, "refuse\nforget"},
		{[]string{"fault", "add", "--version", ""}, "v1\nv2"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			if got := completions(t, tt.args...); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := completions(t, "event", "maintenance", ""); !strings.HasPrefix(got, "cancel\t") || !strings.HasSuffix(got, "\n"+strings.Join(maintenanceCodes(), "\n")) {
		t.Errorf("maintenance: %q", got)
	}
}

func TestSimulation_ShellCompletesNoIDsWithoutADaemon(t *testing.T) {
	isolate(t)
	t.Setenv("MOCK_EC2_METADATA_CONTROL", "/none.sock")
	for _, args := range [][]string{{"event", "show", ""}, {"event", "maintenance", "complete", ""}, {"fault", "remove", ""}} {
		if got := completions(t, args...); got != "" {
			t.Errorf("%v: %q", args, got)
		}
	}
}

// runUntil runs a command that goes on, and interrupts it once its output contains a text.
func runUntil(t *testing.T, text string, args ...string) ran {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr testutil.Buffer
	ended := make(chan int, 1)
	go func() { ended <- Run(ctx, commandLine(os.Environ(), &stdout, &stderr, args...)) }()
	testutil.Eventually(t, "the command prints "+text, func() bool { return strings.Contains(stdout.String(), text) })
	interrupt()
	return ran{<-ended, stdout.String(), stderr.String()}
}
