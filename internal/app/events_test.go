package app

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

const eventsConfig = `
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
ec2: {life_cycle: spot, public_ipv4: 198.51.100.1, tags: {Name: db}, metadata_options: {instance_metadata_tags: enabled}}
`

// simulate makes an App without listeners of a configuration, whose clock starts at a fraction of a second, within a bubble.
func simulate(t *testing.T, config string) *unserved {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", config)
	time.Sleep(400 * time.Millisecond)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	return u
}

// put makes an event, which must succeed.
func (u *unserved) putEvent(t *testing.T, id, body string) api.Event {
	t.Helper()
	e, created, err := u.PutEvent(id, []byte(body), api.Peer{})
	if err != nil || !created {
		t.Fatalf("%s: created %v, %v", body, created, err)
	}
	return e
}

// wantRefusal checks why a change is refused.
func wantRefusal(t *testing.T, err error, status int, text string) {
	t.Helper()
	r, ok := errors.AsType[*api.Refusal](err)
	if !ok || r.Status != status || !strings.Contains(r.Text, text) {
		t.Errorf("refused with %#v (%v), want %d %q", r, err, status, text)
	}
}

// body is the answer of a path below /latest/, or its status in parentheses.
func (u *unserved) body(path string) string {
	rec := u.ask("/latest/" + path)
	if rec.Code != http.StatusOK {
		return "(" + http.StatusText(rec.Code) + ")"
	}
	return rec.Body.String()
}

// everything asks for each path that any of the states serves.
func (u *unserved) everything(more ...string) map[string]string {
	all := map[string]string{}
	for _, path := range append(u.State().Target.Tree.Paths(), more...) {
		path = strings.TrimPrefix(path, "/latest/")
		all[path] = u.body(path)
	}
	return all
}

func TestEvents_SpotInterruptionGoesThroughItsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		began := time.Now()
		e := u.putEvent(t, "s1", `{"spot": "terminate", "in": "90s", "rebalance": "10m", "then": "clear"}`)
		if e.Phase != "pending" || e.NextPhase != "rebalance" {
			t.Errorf("at first %+v", e)
		}
		at := func(after time.Duration, phase, rebalance, action string) {
			t.Helper()
			time.Sleep(time.Until(began.Add(after)))
			synctest.Wait()
			if got, _ := u.Event("s1"); got.Phase != phase {
				t.Errorf("after %v the phase is %s, want %s", after, got.Phase, phase)
			}
			if got := u.body("meta-data/events/recommendations/rebalance"); got != rebalance {
				t.Errorf("after %v rebalance is %s, want %s", after, got, rebalance)
			}
			if got := u.body("meta-data/spot/instance-action"); got != action {
				t.Errorf("after %v the action is %s, want %s", after, got, action)
			}
		}
		const none = "(Not Found)"
		seconds := func(d time.Duration) string {
			return began.Add(d).Add(600 * time.Millisecond).UTC().Format(time.RFC3339) // the clock began at .4 s
		}
		notice := `{"noticeTime": "` + seconds(90*time.Second) + `"}`
		action := `{"action": "terminate", "time": "` + seconds(90*time.Second+12*time.Minute) + `"}`
		at(89*time.Second, "pending", none, none)
		at(91*time.Second, "rebalance", notice, none)
		at(91*time.Second+10*time.Minute, "noticed", notice, action)
		if got := u.body("meta-data/spot/termination-time"); got != seconds(90*time.Second+12*time.Minute) {
			t.Errorf("termination-time is %s", got)
		}
		if root := u.body("meta-data/"); !strings.Contains(root, "\nspot/\n") {
			t.Errorf("spot/ is not listed in %q", root)
		}
		at(92*time.Second+12*time.Minute, "acted", none, none)
		if got := u.State().Instance.PendingTime.Format(time.RFC3339); got != seconds(90*time.Second+12*time.Minute) {
			t.Errorf("the fresh instance was launched at %v", got)
		}
		u.putEvent(t, "s2", `{"spot": "stop"}`) // a finished one blocks no other
	})
}

func TestEvents_CancelRestoresEveryByte(t *testing.T) {
	for _, body := range []string{
		`{"spot": "terminate", "rebalance": "0s"}`, `{"spot": "stop"}`, `{"spot": "hibernate", "then": "clear"}`, `{"rebalance": true}`,
		`{"maintenance": "system-reboot"}`, `{"asg": "Terminated"}`, `{"profile": "detach"}`, `{"profile": "replace", "role": "other"}`,
		`{"profile": "break", "code": "AssumeRoleUnauthorizedAccess"}`, `{"tags": {"set": {"team": "red"}, "unset": ["Name"]}}`,
		`{"options": {"http_tokens": "required"}}`, `{"options": {"http_endpoint": "disabled"}}`, `{"network": "attach", "interface": {}}`,
		`{"network": "add-ip", "address": "10.0.0.77"}`, `{"public_ip": "198.51.100.7"}`, `{"public_ip": "release"}`,
		`{"restart": true, "user_data": "#!/bin/sh\n", "forget_tokens": true}`, `{"set": {"meta-data/x/y": "v"}, "unset": ["meta-data/mac"]}`,
	} {
		t.Run(body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := simulate(t, eventsConfig)
				before := u.everything()
				u.putEvent(t, "e", body)
				synctest.Wait()
				if maps.Equal(before, u.everything("meta-data/spot/instance-action", "meta-data/asg")) {
					t.Error("it changes nothing")
				}
				if err := u.DeleteEvents("e", api.Peer{}); err != nil {
					t.Fatal(err)
				}
				after := u.everything()
				for _, path := range slices.Sorted(maps.Keys(before)) {
					if before[path] != after[path] {
						t.Errorf("%s was %q and is %q", path, before[path], after[path])
					}
				}
				if len(before) != len(after) {
					t.Errorf("%d paths, and then %d", len(before), len(after))
				}
			})
		})
	}
}

func TestEvents_AfterRequestsTheNextOneSeesTheNewTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		e := u.putEvent(t, "s", `{"spot": "stop", "after_requests": {"count": 3, "path": "meta-data/spot/instance-action"}}`)
		if e.ActivatesAt != nil {
			t.Errorf("it activates at %v before any request", e.ActivatesAt)
		}
		u.body("meta-data/mac")
		r := u.do(http.MethodGet, "/latest/meta-data/spot/instance-action", "127.0.0.1:1")
		for i := range 2 {
			if r.Code != http.StatusNotFound {
				t.Errorf("request %d: %d", i+1, r.Code)
			}
			r = u.do(http.MethodGet, "/latest/meta-data/spot/instance-action", "127.0.0.1:1")
		}
		if r.Code != http.StatusNotFound {
			t.Errorf("the third request: %d", r.Code)
		}
		if got := u.body("meta-data/spot/instance-action"); !strings.HasPrefix(got, `{"action": "stop"`) {
			t.Errorf("the fourth request: %s", got)
		}
		if e, _ := u.Event("s"); e.Hits != 1 || e.ActivatesAt == nil {
			t.Errorf("then %+v", e)
		}
	})
}

func TestEvents_SomeClientsAlone(t *testing.T) {
	const config = eventsConfig + `
server: {allow_clients: [10.0.0.0/8, 'fd00::/8']}
clients: [{from: 10.1.0.0/16, ec2: {instance_id: i-0aaaaaaaaaaaaaaaa}}]
`
	for _, tt := range []struct {
		name, body string
		asking     []string // in order
		sees       []bool
		clients    []string
	}{
		{
			"by network", `{"asg": "Terminated", "clients": ["10.2.0.0/16", "fd00::5"]}`,
			[]string{"10.2.0.1:1", "10.1.0.1:1", "[fd00::5]:1", "[fd00::6]:1"},
			[]bool{true, false, true, false},
			[]string{"10.2.0.0/16", "fd00::5"},
		},
		{
			"an entry", `{"asg": "Terminated", "clients": ["clients[0]"]}`,
			[]string{"10.2.0.1:1", "10.1.0.1:1"},
			[]bool{false, true},
			[]string{"clients[0]"},
		},
		{
			"the first", `{"asg": "Terminated", "first_clients": 2}`,
			[]string{"[fd00::5]:1", "[fd00::6]:1", "[fd00::5]:2", "10.2.0.1:1"},
			[]bool{true, true, true, false},
			[]string{"fd00::5", "fd00::6"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := simulate(t, config)
				u.putEvent(t, "e", tt.body)
				for i, from := range tt.asking {
					rec := u.do(http.MethodGet, "/latest/meta-data/autoscaling/target-lifecycle-state", from)
					if got := rec.Code == http.StatusOK; got != tt.sees[i] {
						t.Errorf("%s: %d %s", from, rec.Code, rec.Body)
					}
				}
				if e, _ := u.Event("e"); !slices.Equal(e.Clients, tt.clients) {
					t.Errorf("its clients are %q", e.Clients)
				}
			})
		})
	}
}

func TestEvents_Refusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig+"metadata: {meta-data/autoscaling/target-lifecycle-state: InService, meta-data/tags: null}\n")
		u.putEvent(t, "s1", `{"spot": "stop", "in": "1h"}`)
		before := u.State()
		for _, tt := range []struct {
			id, body string
			status   int
			text     string
		}{
			{"s2", `{"spot": "terminate"}`, http.StatusConflict, "s1"},
			{"s1", `{"spot": "terminate"}`, http.StatusConflict, "id: s1 is another event, which is active; cancel it first, or choose another id"},
			{"a", `{"asg": "Terminated"}`, http.StatusConflict, "asg: metadata.meta-data/autoscaling/target-lifecycle-state of the configuration owns meta-data/autoscaling/target-lifecycle-state; remove it there"},
			{"t", `{"tags": {"set": {"a": "b"}}}`, http.StatusConflict, "metadata.meta-data/tags of the configuration owns meta-data/tags/instance/a"},
			{"m", `{"maintenance": "reboot"}`, http.StatusUnprocessableEntity, "system-maintenance"},
			{"n", `{"network": "detach", "mac": "02:00:00:00:00:01"}`, http.StatusUnprocessableEntity, "mac"},
			{"r", `{"credentials": "rotate", "clients": ["10.0.0.0/8"]}`, http.StatusUnprocessableEntity, "credentials: sessions rotate for all clients"},
		} {
			_, _, err := u.PutEvent(tt.id, []byte(tt.body), api.Peer{})
			wantRefusal(t, err, tt.status, tt.text)
		}
		if u.State() != before {
			t.Error("a refused event has changed the state")
		}
		_, err := u.Event("none")
		wantRefusal(t, err, http.StatusNotFound, "none")
		_, err = u.ChangeEvent("s1", []byte(`{"verb": "complete"}`), api.Peer{})
		wantRefusal(t, err, http.StatusUnprocessableEntity, "verb: complete is for maintenance, and event s1 is spot stop")
	})
}

func TestEvents_TheSameAgainChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		e := u.putEvent(t, "s", `{"spot": "stop", "notice": "2m"}`)
		before := u.State()
		again, created, err := u.PutEvent("s", e.Spec, api.Peer{})
		if err != nil || created || again.PhaseSince != e.PhaseSince || u.State() != before {
			t.Errorf("created %v, %v: %+v", created, err, again)
		}
		if made, _, err := u.PutEvent("", []byte(`{"asg": "Standby"}`), api.Peer{}); err != nil || made.ID != "asg-1" {
			t.Errorf("the id is %q, %v", made.ID, err)
		}
		for range 2 {
			if err := u.DeleteEvents("", api.Peer{}); err != nil {
				t.Error(err)
			}
		}
		if got := u.State().Generation; got != before.Generation+2 || len(u.Events()) != 0 {
			t.Errorf("generation %d after %d, %d events", got, before.Generation, len(u.Events()))
		}
	})
}

func TestEvents_WaitForAPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		u.putEvent(t, "s", `{"spot": "stop", "in": "1m"}`)
		began := time.Now()
		e, err := u.WaitEvent(t.Context(), "s", "")
		if took := time.Since(began); err != nil || e.Phase != "noticed" || took != time.Minute {
			t.Errorf("%+v after %v: %v", e, took, err)
		}
		if _, err := u.WaitEvent(t.Context(), "s", "pending"); err != nil { // passed
			t.Error(err)
		}
		_, err = u.WaitEvent(t.Context(), "s", "scheduled")
		wantRefusal(t, err, http.StatusUnprocessableEntity, "phase: a spot event has no phase scheduled; it has pending")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := u.WaitEvent(ctx, "s", "acted"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the time-out: %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			_ = u.DeleteEvents("s", api.Peer{})
		}()
		_, err = u.WaitEvent(t.Context(), "s", "acted")
		wantRefusal(t, err, http.StatusNotFound, "s")
	})
}

func TestEvents_OptionsAndTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		token := u.token(t, "127.0.0.1:1")
		u.putEvent(t, "o", `{"options": {"http_tokens": "required"}}`)
		if got := u.body("meta-data/mac"); got != "(Unauthorized)" {
			t.Errorf("IMDSv1: %s", got)
		}
		if got := u.with(token, "127.0.0.1:1", "meta-data/mac"); got == "Unauthorized" {
			t.Errorf("a token of before: %s", got)
		}
		if got := u.SimulationState(t.Context(), 0).MetadataOptions.HTTPTokens; got != "required" {
			t.Errorf("http_tokens is %s", got)
		}
		u.putEvent(t, "off", `{"options": {"http_endpoint": "disabled"}}`)
		if rec := u.do(http.MethodPut, "/latest/api/token", "127.0.0.1:1"); rec.Code != http.StatusForbidden {
			t.Errorf("a token while disabled: %d", rec.Code)
		}
		if rec := u.ask("/status"); rec.Code != http.StatusOK {
			t.Errorf("/status: %d", rec.Code)
		}
		if err := u.DeleteEvents("", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		u.putEvent(t, "r", `{"restart": true, "forget_tokens": true}`)
		if got := u.with(token, "127.0.0.1:1", "meta-data/mac"); got != "Unauthorized" {
			t.Errorf("a token of before the restart: %s", got)
		}
		time.Sleep(time.Second)
		if got := u.with(u.token(t, "127.0.0.1:1"), "127.0.0.1:1", "meta-data/mac"); got == "Unauthorized" {
			t.Errorf("a token of after the restart: %s", got)
		}
	})
}

func TestEvents_StatusTellsThisMachineAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig+"server: {allow_clients: [10.0.0.0/8]}\n")
		if strings.Contains(u.ask("/status").Body.String(), "simulation") {
			t.Error("/status has a simulation without any")
		}
		u.putEvent(t, "s", `{"spot": "stop"}`)
		if _, _, err := u.PutFault("f", []byte(`{"match": {"paths": ["meta-data/mac"]}, "status": 503}`), api.Peer{}); err != nil {
			t.Fatal(err)
		}
		var own struct{ Simulation api.Simulation }
		if err := json.Unmarshal(u.ask("/status").Body.Bytes(), &own); err != nil || len(own.Simulation.Events) != 1 || len(own.Simulation.Faults) != 1 {
			t.Errorf("%+v, %v", own, err)
		}
		other := u.do(http.MethodGet, "/status", "10.0.0.1:1").Body.String()
		if !strings.Contains(other, `"simulation": true`) || !strings.Contains(other, `"status": "ok"`) {
			t.Errorf("others see %s", other)
		}
	})
}
