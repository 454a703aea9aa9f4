//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
)

// simulated is the control socket of a daemon, for events, faults and the journal.
type simulated struct {
	socket string
	http   *http.Client
}

// simulate finds the control socket of a daemon by its status.
func simulate(t *testing.T, d *local) simulated {
	t.Helper()
	_, status := fetch(t, d.url+"status")
	return newSimulated(t, socketOf(t, status))
}

// newSimulated is for the daemon with this control socket, which may be in another network namespace.
func newSimulated(t *testing.T, socket string) simulated {
	t.Helper()
	if socket == "" {
		t.Fatal("the daemon has no control socket")
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return simulated{socket: socket, http: &http.Client{Transport: transport}}
}

// call sends a request with a JSON body, "" for none, and wants a status code.
func (s simulated) call(t *testing.T, method, path, body string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://control"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s %s: %s, want %d; %v\n%s", method, path, body, resp.Status, want, err, answer)
	}
	return string(answer)
}

// faults replaces all faults by these. Their ids are f0, f1 and so on.
func (s simulated) faults(t *testing.T, bodies ...string) {
	t.Helper()
	s.call(t, http.MethodDelete, "/v1/faults", "", http.StatusNoContent)
	for i, body := range bodies {
		s.call(t, http.MethodPut, fmt.Sprintf("/v1/faults/f%d", i), body, http.StatusCreated)
	}
}

// event makes an event.
func (s simulated) event(t *testing.T, id, body string) {
	t.Helper()
	s.call(t, http.MethodPut, "/v1/events/"+id, body, http.StatusCreated)
}

// wait returns once an event is in a phase; "" is the first after pending.
func (s simulated) wait(t *testing.T, id, phase string) {
	t.Helper()
	s.call(t, http.MethodGet, "/v1/events/"+id+"/wait?"+url.Values{"timeout": {"30s"}, "phase": {phase}}.Encode(), "", http.StatusOK)
}

// clear ends all events.
func (s simulated) clear(t *testing.T) {
	t.Helper()
	s.call(t, http.MethodDelete, "/v1/events", "", http.StatusNoContent)
}

// requests are those after a number of the journal whose path matches a pattern, "" for all.
func (s simulated) requests(t *testing.T, after int64, pattern string) []api.Request {
	t.Helper()
	var all api.Requests
	query := url.Values{"after": {fmt.Sprint(after)}}
	if pattern != "" {
		query.Set("path", pattern)
	}
	decode(t, s.call(t, http.MethodGet, "/v1/requests?"+query.Encode(), "", http.StatusOK), &all)
	return all.Requests
}

// last is the number of the journal's latest request.
func (s simulated) last(t *testing.T) int64 {
	t.Helper()
	all := s.requests(t, 0, "")
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}

// commands runs the commands for that daemon.
func (s simulated) commands(t *testing.T) controlled {
	t.Helper()
	bin, dir := buildDaemon(t), t.TempDir()
	return controlled{t, func(args ...string) result {
		cmd := exec.Command(bin, args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + systemPath, "HOME=" + dir, "MOCK_EC2_METADATA_CONTROL=" + s.socket}
		return finish(t, cmd)
	}}
}

// ok runs a command that must succeed, and returns what it prints.
func (c controlled) ok(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	if r.code != 0 {
		c.t.Fatalf("%s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// decode reads a JSON document.
func decode(t *testing.T, document string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(document), into); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
}
