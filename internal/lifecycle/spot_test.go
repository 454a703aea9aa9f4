package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

func TestSpot_BodiesOfEachAction(t *testing.T) {
	for _, tt := range []struct {
		name, action, leaf, termination string
		notice                          *time.Duration
	}{
		{name: "terminate", action: "terminate", leaf: `{"action": "terminate", "time": "2026-11-29T12:02:00Z"}`, termination: "2026-11-29T12:02:00Z"},
		{name: "stop", action: "stop", leaf: `{"action": "stop", "time": "2026-11-29T12:02:00Z"}`, termination: absent},
		{name: "hibernate acts at once", action: "hibernate", leaf: `{"action": "hibernate", "time": "2026-11-29T12:00:00Z"}`, termination: absent},
		{name: "own notice", action: "terminate", notice: new(5 * time.Second), leaf: `{"action": "terminate", "time": "2026-11-29T12:00:05Z"}`, termination: "2026-11-29T12:00:05Z"},
		{name: "no notice", action: "stop", notice: new(time.Duration(0)), leaf: `{"action": "stop", "time": "2026-11-29T12:00:00Z"}`, termination: absent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := valid()
			s := one(t, config.Event{Spot: tt.action, Notice: tt.notice}, b)
			for _, after := range []time.Duration{0, 3 * time.Second, time.Hour} { // it stays after the action time
				wantLeaves(t, treeAt(t, s, b, after), map[string]string{
					"spot/instance-action": tt.leaf, "spot/termination-time": tt.termination, "instance-life-cycle": "spot",
					"events/recommendations/rebalance": absent, "instance-action": "none",
				})
			}
		})
	}
}

func TestSpot_VersionsShowWhatTheyHave(t *testing.T) {
	b := valid()
	s := treeAt(t, one(t, config.Event{Spot: "terminate"}, b), b, 0)
	for path, want := range map[string]string{
		"/latest/meta-data/spot": "instance-action\ntermination-time", "/2018-03-28/meta-data/spot": "instance-action\ntermination-time",
		"/2016-09-02/meta-data/spot": "termination-time", "/2014-02-25/meta-data/spot": absent,
	} {
		got := absent
		if n := s.Lookup(path); n != nil {
			got = string(n.Body)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestSpot_SignalComesBeforeTheNotice(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Rebalance: "10m", In: 90 * time.Second, Then: "stay"}, b)
	const signal, notice = `{"noticeTime": "2026-11-29T12:01:30Z"}`, `{"action": "terminate", "time": "2026-11-29T12:13:30Z"}`
	for _, tt := range []struct {
		after                    time.Duration
		phase, rebalance, action string
	}{
		{0, Pending, absent, absent},
		{90*time.Second - 1, Pending, absent, absent},
		{90 * time.Second, Rebalance, signal, absent},
		{690*time.Second - 1, Rebalance, signal, absent},
		{690 * time.Second, Noticed, signal, notice},
		{810 * time.Second, Acted, signal, notice},
		{7 * 24 * time.Hour, Acted, signal, notice},
	} {
		if got := s.Events()[0].PhaseAt(start.Add(tt.after)).Name; got != tt.phase {
			t.Errorf("after %s: phase %s, want %s", tt.after, got, tt.phase)
		}
		wantLeaves(t, treeAt(t, s, b, tt.after), map[string]string{
			"events/recommendations/rebalance": tt.rebalance, "spot/instance-action": tt.action, "instance-life-cycle": "spot",
		})
	}
}

func TestSpot_TimesAreRoundedUp(t *testing.T) {
	b := valid()
	s := mustAdd(t, Set{}, "e1", config.Event{Spot: "terminate", Rebalance: "1s"}, b, start.Add(time.Nanosecond))
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{
		"spot/termination-time": "2026-11-29T12:02:02Z", "events/recommendations/rebalance": `{"noticeTime": "2026-11-29T12:00:01Z"}`,
	})
}

func TestSpot_ClearIsAFreshInstance(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Rebalance: "1m", Then: "clear"}, b)
	before, after := treeAt(t, s, b, 179*time.Second), treeAt(t, s, b, 180*time.Second)
	if body(before, "spot/termination-time") != "2026-11-29T12:03:00Z" {
		t.Error("no notice before")
	}
	address := body(after, "public-ipv4")
	if address == "203.0.113.25" || address == absent {
		t.Errorf("public address %s", address)
	}
	name := "ec2-" + dashed(address) + ".compute-1.amazonaws.com"
	wantLeaves(t, after, map[string]string{
		"spot": absent, "events": "maintenance/", "instance-life-cycle": "spot", "instance-id": "i-0123456789abcdef0", "public-hostname": name,
		macs + mac0 + "/public-ipv4s": address, macs + mac0 + "/public-hostname": name, macs + mac0 + "/ipv4-associations": address,
	})
	if got := instanceAt(s, b, 3*time.Minute).PendingTime.Format(time.RFC3339); got != "2026-11-29T12:03:00Z" {
		t.Errorf("pending time %s", got)
	}
	if cmp.Equal(before.Document(), after.Document()) {
		t.Error("the document is the same")
	}
	// The finished event blocks no new one, whose notice shows.
	s = mustAdd(t, s, "e2", config.Event{Spot: "stop"}, b, start.Add(time.Hour))
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{"spot/instance-action": `{"action": "stop", "time": "2026-11-29T13:02:00Z"}`})
}

func instanceAt(s Set, b Base, after time.Duration) *instance.Instance {
	r := s.Apply(Selection{}, b.Instance, b.UserData, start.Add(after))
	return instance.New(&r.Instance, r.UserData)
}

func TestSpot_ClearTakesAnEarlierRebalanceAway(t *testing.T) {
	b := valid()
	for name, signal := range map[string]time.Duration{"before the notice": 0, "after it": 90 * time.Second} {
		t.Run(name, func(t *testing.T) {
			var s Set
			add := func(id string, spec config.Event, after time.Duration) {
				s = mustAdd(t, s, id, spec, b, start.Add(after))
			}
			add("signal", config.Event{Rebalance: "true", In: signal}, 0)
			add("spot", config.Event{Spot: "terminate", Then: "clear", In: time.Minute}, 0)
			if body(treeAt(t, s, b, 3*time.Minute-1), "events/recommendations/rebalance") == absent {
				t.Error("absent before the action")
			}
			wantLeaves(t, treeAt(t, s, b, 3*time.Minute), map[string]string{"events/recommendations": absent})
		})
	}
}

func TestSpot_GoneAndExit(t *testing.T) {
	b := valid()
	for _, then := range []string{"stay", "gone", "exit", ""} {
		s := one(t, config.Event{Spot: "terminate", Then: then}, b)
		for after, acted := range map[time.Duration]bool{0: false, 2*time.Minute - 1: false, 2 * time.Minute: true} {
			now := start.Add(after)
			if got, want := s.Apply(Selection{}, b.Instance, nil, now).Gone, then == "gone" && acted; got != want {
				t.Errorf("%s after %s: gone is %t", then, after, got)
			}
			if got, want := s.Events()[0].Exits(now), then == "exit" && acted; got != want {
				t.Errorf("%s after %s: exits is %t", then, after, got)
			}
		}
	}
}

func TestSpot_WarnsOfAnotherLifeCycle(t *testing.T) {
	b := valid()
	_, e, err := Set{}.Add("e1", config.Event{Spot: "stop"}, b, start)
	if want := []string{"ec2.life_cycle is on-demand; it is spot while this event lasts"}; err != nil || !cmp.Equal(e.Warnings, want) {
		t.Errorf("got %q, %v", e.Warnings, err)
	}
	b.Instance.EC2.LifeCycle = "spot"
	if _, e, err = (Set{}).Add("e1", config.Event{Spot: "stop"}, b, start); err != nil || e.Warnings != nil {
		t.Errorf("got %q, %v", e.Warnings, err)
	}
}

func TestRebalance_Body(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Rebalance: "true"}, b)
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{
		"events": "maintenance/\nrecommendations/", "events/recommendations/rebalance": `{"noticeTime": "2026-11-29T12:00:00Z"}`,
		"spot": absent, "instance-life-cycle": "on-demand",
	})
}

func TestCancel_RestoresTheBase(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Rebalance: "1m"}, b)
	s, ok := s.Remove("e1")
	if diff := cmp.Diff(bodies(baseTree(t, b)), bodies(treeAt(t, s, b, time.Hour))); diff != "" || !ok {
		t.Error(diff)
	}
	if _, ok := s.Remove("e1"); ok {
		t.Error("removed twice")
	}
}
