//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// What aws-node-termination-handler asks for. Its module is not to be had from the Go module proxy, so these tests poll as it does:
// by IMDSv2, one request a leaf, with its notions of an event, none and an error (events-reference section 2).
const (
	spotAction      = "spot/instance-action"
	terminationTime = "spot/termination-time"
	rebalance       = "events/recommendations/rebalance"
	scheduled       = "events/maintenance/scheduled"
	history         = "events/maintenance/history"
	targetState     = "autoscaling/target-lifecycle-state"
)

// poller asks for leaves of meta-data/ with one session token.
type poller struct {
	t          *testing.T
	url, token string
}

func newPoller(t *testing.T, d *local) poller {
	t.Helper()
	return poller{t, d.url + "latest/meta-data/", do(t, http.MethodPut, d.url+"latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")}
}

// get returns a leaf; ok is false for 404. Any other answer is an error.
func (p poller) get(path string) (body string, ok bool) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("X-Aws-Ec2-Metadata-Token", p.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		p.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return string(all), resp.StatusCode == http.StatusOK
}

// notice is an interruption as the handler tells them apart: by action and time. "" is none.
func (p poller) notice() string {
	p.t.Helper()
	body, ok := p.get(spotAction)
	if !ok {
		return ""
	}
	var n struct{ Action, Time string }
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		p.t.Fatalf("%v in %q", err, body)
	}
	if _, err := time.Parse(time.RFC3339, n.Time); err != nil {
		p.t.Fatal(err)
	}
	return n.Action + " " + n.Time
}

// window is a scheduled event.
type window struct {
	NotBefore, NotAfter, Code, Description, EventID, State string // EventId: encoding/json ignores case
}

// windows are the scheduled events, whose times must be as the handler parses them. There is a list always.
func (p poller) windows(path string) []window {
	p.t.Helper()
	body, ok := p.get(path)
	if !ok {
		p.t.Fatalf("%s is missing", path)
	}
	var all []window
	if err := json.Unmarshal([]byte(body), &all); err != nil || all == nil {
		p.t.Fatalf("%v in %q", err, body)
	}
	for _, w := range all {
		for _, text := range []string{w.NotBefore, w.NotAfter} {
			if _, err := time.Parse("2 Jan 2006 15:04:05 GMT", text); text != "" && err != nil {
				p.t.Error(err)
			}
		}
	}
	return all
}

// idle wants no event of any kind.
func (p poller) idle() {
	p.t.Helper()
	for _, leaf := range []string{spotAction, terminationTime, rebalance, targetState} {
		if body, ok := p.get(leaf); ok {
			p.t.Errorf("%s is %q without an event", leaf, body)
		}
	}
	for _, list := range []string{scheduled, history} {
		if all := p.windows(list); len(all) > 0 {
			p.t.Errorf("%s has %+v without an event", list, all)
		}
	}
}

// TestEvents_IdlePollsSeeNothing polls a hundred times before, between and after events.
func TestEvents_IdlePollsSeeNothing(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s, p := simulate(t, d), newPoller(t, d)
	for range 100 {
		p.idle()
	}
	for i, body := range []string{`{"spot":"terminate"}`, `{"rebalance":true}`, `{"maintenance":"system-reboot"}`, `{"asg":"Terminated"}`} {
		s.event(t, fmt.Sprintf("e%d", i), body)
	}
	s.clear(t)
	p.idle()
}

// TestEvents_PollsSeeOneNotice polls for two seconds during each kind of interruption. A time that moves would be another event.
func TestEvents_PollsSeeOneNotice(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s, p := simulate(t, d), newPoller(t, d)
	for _, action := range []string{"terminate", "stop", "hibernate"} {
		t.Run(action, func(t *testing.T) {
			start := time.Now().Truncate(time.Second)
			s.event(t, "s", `{"spot":"`+action+`"}`)
			defer s.clear(t)
			seen := p.notice()
			lead := 2 * time.Minute
			if action == "hibernate" {
				lead = 0
			}
			gone, err := time.Parse(action+" "+time.RFC3339, seen)
			if late := gone.Sub(start.Add(lead)); err != nil || late < 0 || late > 5*time.Second || gone.Location() != time.UTC {
				t.Errorf("notice %q, %v; want %v after %v", seen, err, lead, start)
			}
			for range 10 {
				time.Sleep(200 * time.Millisecond) // times are in whole seconds
				if again := p.notice(); again != seen {
					t.Fatalf("another notice, %q, after %q", again, seen)
				}
			}
			body, ok := p.get(terminationTime)
			if action != "terminate" && ok || action == "terminate" && body != strings.TrimPrefix(seen, action+" ") {
				t.Errorf("%s is %q, %v", terminationTime, body, ok)
			}
		})
	}
	p.idle()
}

// TestEvents_RebalanceComesBeforeTheNotice waits for the notice by a long poll. The signal stays the same and remains.
func TestEvents_RebalanceComesBeforeTheNotice(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s, p := simulate(t, d), newPoller(t, d)
	s.event(t, "s", `{"spot":"terminate","rebalance":"3s"}`)
	signal, ok := p.get(rebalance)
	var r struct{ NoticeTime string }
	decode(t, signal, &r)
	if _, err := time.Parse(time.RFC3339, r.NoticeTime); err != nil || !ok {
		t.Error(signal, err)
	}
	if n := p.notice(); n != "" {
		t.Errorf("the notice %q came with the signal", n)
	}
	s.wait(t, "s", "noticed")
	if n := p.notice(); n == "" {
		t.Error("no notice 3 s after the signal")
	}
	if again, _ := p.get(rebalance); again != signal {
		t.Errorf("the signal was %q, is %q", signal, again)
	}
}

// TestEvents_MaintenanceMovesToTheHistory schedules each code, and completes or cancels it.
func TestEvents_MaintenanceMovesToTheHistory(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s, p := simulate(t, d), newPoller(t, d)
	for _, code := range []string{"instance-stop", "instance-retirement", "instance-reboot", "system-reboot", "system-maintenance"} {
		t.Run(code, func(t *testing.T) {
			defer s.clear(t)
			s.event(t, "m", `{"maintenance":"`+code+`"}`)
			active := p.windows(scheduled)
			if len(active) != 1 || active[0].Code != code || active[0].State != "active" || !strings.HasPrefix(active[0].EventID, "instance-event-") {
				t.Fatalf("%s has %+v", scheduled, active)
			}
			if open := slices.Contains([]string{"instance-stop", "instance-retirement"}, code); (active[0].NotAfter == "") != open {
				t.Errorf("%s ends %q", code, active[0].NotAfter)
			}
			for range 10 {
				if again := p.windows(scheduled); !slices.Equal(again, active) {
					t.Fatalf("was %+v, is %+v", active, again)
				}
			}
			s.call(t, http.MethodPost, "/v1/events/m", `{"verb":"complete"}`, http.StatusOK)
			if left := p.windows(scheduled); len(left) > 0 {
				t.Errorf("%s still has %+v", scheduled, left)
			}
			past := active[0]
			past.State, past.Description = "completed", "[Completed] "+past.Description
			if got := p.windows(history); !slices.Equal(got, []window{past}) {
				t.Errorf("%s has %+v, want %+v", history, got, past)
			}
		})
	}
}

// TestEvents_TargetStateIsBare compares the text with no newline: the handler does not trim it.
func TestEvents_TargetStateIsBare(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s, p := simulate(t, d), newPoller(t, d)
	for i, state := range []string{"InService", "Terminated", "Detached", "Standby", "Warmed:Running", "Warmed:Stopped", "Warmed:Hibernated", "Warmed:Terminated"} {
		s.event(t, fmt.Sprintf("a%d", i), `{"asg":"`+state+`"}`) // takes the place of the one before
		if got, ok := p.get(targetState); got != state || !ok {
			t.Errorf("the target state is %q, want %q", got, state)
		}
	}
	s.event(t, "gone", `{"asg":"gone"}`)
	if got, ok := p.get(targetState); ok {
		t.Errorf("the target state is %q after gone", got)
	}
}

// TestEvents_TerminationTimeDrainsAtOnce runs the loop of handlers that know spot/termination-time alone: by IMDSv1, and any 200 is
// a notice. It drains before a termination, and not before a stop.
func TestEvents_TerminationTimeDrainsAtOnce(t *testing.T) {
	findTool(t, "curl", "curl")
	d := startLocal(t, mockHome(t, ""), "")
	s := simulate(t, d)
	const loop = `until [ "$(curl -qsL -o /dev/null -w '%{http_code}' "$0")" = 200 ]; do sleep 0.1; done; echo drained`
	drained := make(chan result, 1)
	go func() {
		out, err := client(t, clean(t, d.url), "sh", "-c", loop, d.url+"latest/meta-data/"+terminationTime)
		r := result{stdout: out}
		if err != nil {
			r.stderr = err.Error()
		}
		drained <- r
	}()
	polls := func(n int) {
		t.Helper()
		after := s.last(t)
		testutil.Eventually(t, fmt.Sprintf("%d further polls", n), func() bool {
			return len(s.requests(t, after, "meta-data/"+terminationTime)) >= n
		})
	}
	polls(3)
	s.event(t, "stop", `{"spot":"stop"}`)
	polls(5)
	s.clear(t)
	select {
	case r := <-drained:
		t.Fatalf("it drained before a stop: %+v", r)
	default:
	}
	s.event(t, "end", `{"spot":"terminate"}`)
	select {
	case r := <-drained:
		if r.stdout != "drained\n" {
			t.Errorf("%+v", r)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not drain before a termination")
	}
}
