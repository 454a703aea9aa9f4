package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
)

// serveDaemon is serve for a daemon of the test.
func serveDaemon(t *testing.T, d Daemon, mode string) *Client {
	t.Helper()
	s, err := Listen(mode, shortDir(t), "5000", d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve()
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return NewClient(s.Status().Socket)
}

func TestClient_CallsHaveTheirAnswers(t *testing.T) {
	d := &fakeDaemon{}
	c, ctx := serveDaemon(t, d, Auto), t.Context()
	body := json.RawMessage(`{"spot":"terminate"}`)
	wantMade := func(what string, id string, created bool, err error, wantID string, wantCreated bool) {
		t.Helper()
		if id != wantID || created != wantCreated || err != nil {
			t.Errorf("%s: %q, %v, %v; want %q, %v", what, id, created, err, wantID, wantCreated)
		}
	}
	e, created, err := c.PutEvent(ctx, "s1", body)
	wantMade("new event", e.ID, created, err, "s1", true)
	e, created, err = c.PutEvent(ctx, "s1", body)
	wantMade("same event", e.ID, created, err, "s1", false)
	e, created, err = c.PutEvent(ctx, "", body)
	wantMade("event without an id", e.ID, created, err, "made-up-1", true)
	f, created, err := c.PutFault(ctx, "f", json.RawMessage(`{"hang":true}`))
	wantMade("new fault", f.ID, created, err, "f", true)
	f, created, err = c.PutFault(ctx, "", json.RawMessage(`{"hang":true}`))
	wantMade("fault without an id", f.ID, created, err, "made-up-3", true)

	events, err := c.Events(ctx)
	if err != nil || len(events) != 2 {
		t.Errorf("events: %+v, %v", events, err)
	}
	faults, err := c.Faults(ctx)
	if err != nil || len(faults) != 2 {
		t.Errorf("faults: %+v, %v", faults, err)
	}
	if e, err := c.Event(ctx, "s1"); err != nil || compact(e.Spec) != string(body) || !e.CreatedAt.Equal(made) {
		t.Errorf("event: %+v, %v", e, err)
	}
	if f, err := c.Fault(ctx, "f"); err != nil || f.ID != "f" {
		t.Errorf("fault: %+v, %v", f, err)
	}
	if e, err := c.ChangeEvent(ctx, "s1", json.RawMessage(`{"verb": "complete"}`)); err != nil || e.ID != "s1" {
		t.Errorf("verb: %+v, %v", e, err)
	}
	if e, err := c.WaitEvent(ctx, "s1", "pending", time.Second); err != nil || e.Phase != "pending" {
		t.Errorf("wait: %+v, %v", e, err)
	}
	if s, err := c.SimulationState(ctx); err != nil || s.Generation != 4 || len(s.Events) != 2 || s.MetadataOptions.HTTPTokens != "optional" {
		t.Errorf("state: %+v, %v", s, err)
	}
	if found, err := c.Requests(ctx, 0, "", 0); err != nil || len(found) != 0 {
		t.Errorf("requests: %+v, %v", found, err)
	}
	time.AfterFunc(time.Millisecond, func() { d.add("/latest/meta-data/mac") })
	if found, err := c.Requests(ctx, 0, "meta-data/mac", time.Minute); err != nil || len(found) != 1 {
		t.Errorf("requests: %+v, %v", found, err)
	}
	err = errors.Join(c.DeleteEvents(ctx, "s1"), c.DeleteEvents(ctx, "s1"), c.DeleteEvents(ctx, ""), c.DeleteFaults(ctx, "f"), c.DeleteFaults(ctx, ""))
	if err != nil || len(d.Events())+len(d.Faults()) > 0 {
		t.Errorf("delete: %v, left %v %v", err, d.Events(), d.Faults())
	}
	want := []string{
		`put event "s1" by UID`, `put event "s1" by UID`, `put event "" by UID`, `put fault "f" by UID`, `put fault "" by UID`,
		`change event "s1" by UID: {"verb": "complete"}`, "state after -1", `requests after 0, path "", wait false`,
		`requests after 0, path "meta-data/mac", wait true`, `delete event "s1" by UID`, `delete event "s1" by UID`, `delete event "" by UID`,
		`delete fault "f" by UID`, `delete fault "" by UID`,
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "UID", uid())
	}
	if !slices.Equal(d.calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(d.calls, "\n"), strings.Join(want, "\n"))
	}
}

func TestClient_RefusalsHaveStatusAndField(t *testing.T) {
	d := &fakeDaemon{}
	c, ctx := serveDaemon(t, d, Auto), t.Context()
	if _, _, err := c.PutEvent(ctx, "a", json.RawMessage("{}")); err != nil {
		t.Fatal(err)
	}
	second := func(_ any, err error) error { return err }
	third := func(_, _ any, err error) error { return err }
	put := func(id, body string) error {
		e, created, err := c.PutEvent(ctx, id, json.RawMessage(body))
		return third(e, created, err)
	}
	for _, tt := range []struct {
		name string
		err  error
		want api.Refusal
	}{
		{"unknown event", second(c.Event(ctx, "b")), api.Refusal{Status: 404, Text: "there is no event b"}},
		{"unknown fault", second(c.Fault(ctx, "b")), api.Refusal{Status: 404, Text: "there is no fault b"}},
		{"conflict", put("a", `{"x":1}`), api.Refusal{Status: 409, Text: "a is there already, and differs"}},
		{"wrong body", put("b", `{"bad":1}`), api.Refusal{Status: 422, Text: "bad: unknown key", Field: "bad"}},
		{"no JSON", put("b", `{`), api.Refusal{Status: 422, Text: "the body is no JSON object"}},
		{"large", put("b", strings.Repeat(" ", 1<<20)), api.Refusal{Status: 413, Text: "the body has more than 64 KiB"}},
		{"dots", c.DeleteEvents(ctx, ".."), api.Refusal{Status: 422, Text: `id: ".." is not an id; write 1 to 64 letters, digits, dots, hyphens and underscores`, Field: "id"}},
		{"slash", second(c.Event(ctx, "a/wait")), api.Refusal{Status: 422, Text: `id: "a/wait" is not an id; write 1 to 64 letters, digits, dots, hyphens and underscores`, Field: "id"}},
		{"timeout", second(c.WaitEvent(ctx, "a", "noticed", time.Millisecond)), api.Refusal{Status: 408, Text: `event a: has not come to the phase "noticed" within 1ms`}},
		{"long timeout", second(c.WaitEvent(ctx, "a", "noticed", time.Hour)), api.Refusal{Status: 422, Text: `timeout: "1h0m0s" is not a duration from 0s to 10m; write e.g. 30s`, Field: "timeout"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refusal, ok := errors.AsType[*api.Refusal](tt.err)
			if !ok || *refusal != tt.want {
				t.Errorf("got %+v\nwant %+v", tt.err, tt.want)
			}
		})
	}
}

func TestClient_CanceledPollEndsWithTheContext(t *testing.T) {
	d := &fakeDaemon{}
	c := serveDaemon(t, d, Auto)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := c.Requests(ctx, 0, "", 10*time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestClient_StoppedDaemonIsUnreachable(t *testing.T) {
	for _, socket := range []string{"/none/s"} {
		c := NewClient(socket)
		_, err := c.Events(t.Context())
		_, waitErr := c.WaitEvent(t.Context(), "a", "", time.Second)
		for _, err := range []error{err, waitErr, c.DeleteFaults(t.Context(), "")} {
			if _, ok := errors.AsType[*UnreachableError](err); !ok {
				t.Errorf("got %v", err)
			}
		}
	}
}

// TestPeers_OtherUsersChangeNothing opens directory and socket to everybody, so that only the peer's uid is in the way.
func TestPeers_OtherUsersChangeNothing(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	cmd := asNobody(t, "put "+socket)
	d := &fakeDaemon{}
	serveDaemon(t, d, socket)
	for path, mode := range map[string]os.FileMode{dir: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := output(t, cmd); !strings.HasPrefix(got, "error: nothing answers at "+socket+": ") {
		t.Errorf("got %s", got)
	}
	if len(d.calls) > 0 {
		t.Errorf("the daemon was asked to %q", d.calls)
	}
}
