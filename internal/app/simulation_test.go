package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestSimulation_ConfiguredEventsAndFaultsBeginAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig+`
events: [{id: reclaim, spot: terminate, in: 90s}, {asg: InService}]
faults: [{match: {paths: [meta-data/mac]}, dose: {for: 1m}, status: 503}]
`)
		if got := u.body("meta-data/mac"); got != "(Service Unavailable)" {
			t.Errorf("mac: %s", got)
		}
		if got := u.body("meta-data/autoscaling/target-lifecycle-state"); got != "InService" {
			t.Errorf("the state of the group: %s", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := u.body("meta-data/mac"); strings.HasPrefix(got, "(") || len(u.Faults()) != 0 {
			t.Errorf("after its time: %s, %d faults", got, len(u.Faults()))
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if got := u.body("meta-data/spot/instance-action"); !strings.Contains(got, "terminate") {
			t.Errorf("after 91 s: %s", got)
		}
	})
}

func TestSimulation_ReloadKeepsWhatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = "events: [{id: a, asg: InService}, {id: b, tags: {set: {x: y}}}]\n"
		u := simulate(t, eventsConfig+events)
		if err := u.DeleteEvents("b", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		spot := u.putEvent(t, "s", `{"spot": "stop"}`)
		u.putEvent(t, "n", `{"set": {"meta-data/x": "1"}}`)
		rewrite := func(config string) {
			t.Helper()
			testutil.Write(t, "conf/config.yaml", config)
			if err := u.Reload("test"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		rewrite(eventsConfig + events + "log: {level: warn}\n")
		if got, err := u.Event("s"); err != nil || got.PhaseSince != spot.PhaseSince {
			t.Errorf("the spot event became %+v, %v", got, err)
		}
		if _, err := u.Event("b"); err == nil {
			t.Error("a cancelled event of the file is back")
		}
		rewrite(eventsConfig + "events: [{id: c, asg: Standby}]\nmetadata: {meta-data/x: mine}\n")
		ids := ""
		for _, e := range u.Events() {
			ids += e.ID + " "
		}
		if ids != "s c " {
			t.Errorf("the events are %s", ids)
		}
		if got := u.body("meta-data/x"); got != "mine" {
			t.Errorf("meta-data/x is %s", got)
		}
	})
}

func TestSimulation_BadEventsOfTheFileNameLineAndKey(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\nmetadata: {meta-data/spot: null}\nevents:\n- asg: InService\n- spot: stop\n  id: s\n")
	_, err := New(t.Context(), options(load(t, "")))
	const want = "conf/config.yaml:5: events[1].spot: metadata.meta-data/spot of the configuration owns meta-data/spot/instance-action; remove it there"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := Check(load(t, "")); err == nil || err.Error() != want {
		t.Errorf("check: %v", err)
	}
}

func TestSimulation_OneLineForEachChange(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	warnings := func() int { return strings.Count(d.log.String(), `"level":"WARN"`) }
	before := warnings()
	step := func(what string, lines int, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := warnings() - before; got != lines {
			t.Errorf("%s: %d lines, want %d\n%s", what, got, lines, d.log)
		}
		before = warnings()
	}
	put := func() error {
		_, _, err := d.PutEvent("e1", []byte(`{"asg": "Standby"}`), api.Peer{UID: 42})
		return err
	}
	fault := func() error {
		_, _, err := d.PutFault("f1", []byte(`{"match": {"paths": ["meta-data/mac"]}, "status": 503}`), api.Peer{UID: -1})
		return err
	}
	step("an event", 1, put)
	step("the same again", 0, put)
	step("a fault", 1, fault)
	step("the same fault again", 0, fault)
	step("no fault", 0, func() error { return d.DeleteFaults("none", api.Peer{}) })
	step("the end of the event", 1, func() error { return d.DeleteEvents("", api.Peer{UID: 42}) })
	step("the end of the fault", 1, func() error { return d.DeleteFaults("f1", api.Peer{}) })
	for _, want := range []string{`"id":"e1","kind":"asg"`, `"uid":42`, `"id":"f1"`, `"by":"control_listen"`} {
		if !d.log.Contains(want) {
			t.Errorf("the log lacks %s\n%s", want, d.log)
		}
	}
}

func TestSimulation_ExitEndsTheDaemonWithoutError(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	if _, _, err := d.PutEvent("x", []byte(`{"spot": "hibernate", "then": "exit"}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
	d.wantLog(t, "stopping, as an event says")
	testutil.Eventually(t, "the daemon has ended", func() bool {
		resp, err := http.Get(d.url)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err != nil
	})
	if err := d.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestSimulation_GoneClientsGetNoAnswer(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "")))
	if _, _, err := d.PutEvent("x", []byte(`{"spot": "hibernate", "then": "gone"}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WaitEvent(t.Context(), "x", "acted"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"latest/meta-data/mac", nil)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	if code, _ := d.get(t, "status"); code != http.StatusOK {
		t.Errorf("/status: %d", code)
	}
	if err := d.DeleteEvents("x", api.Peer{}); err != nil {
		t.Fatal(err)
	}
	if code, _ := d.get(t, "latest/meta-data/mac"); code != http.StatusOK {
		t.Errorf("after the end: %d", code)
	}
}

func TestSimulation_ConfiguredFaultThatIsOverStopsNoStart(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\nfaults: [{id: old, dose: {until: 2020-01-01T00:00:00Z}, hang: true}]\n")
	d := startWith(t, options(load(t, "")))
	if len(d.Faults()) != 0 || !d.log.Contains(`"msg":"fault is over already","id":"old"`) {
		t.Errorf("%+v\n%s", d.Faults(), d.log)
	}
}
