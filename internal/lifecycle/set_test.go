package lifecycle

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
)

func ids(s Set) []string {
	var all []string
	for _, e := range s.Events() {
		all = append(all, e.ID)
	}
	return all
}

func TestAdd_ConflictsNameTheActiveEvent(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second config.Event
		want          string // "" if both can be
	}{
		{"spot", config.Event{Spot: "stop"}, config.Event{Spot: "terminate"}, "spot: event e1 is active for the same clients; cancel it, or name other clients"},
		{"pending spot", config.Event{Spot: "stop", In: time.Hour}, config.Event{Spot: "terminate"}, "spot: event e1 is active for the same clients; cancel it, or name other clients"},
		{"spot that stays", config.Event{Spot: "hibernate"}, config.Event{Spot: "terminate"}, "spot: event e1 is active for the same clients; cancel it, or name other clients"},
		{"rebalance", config.Event{Rebalance: "true"}, config.Event{Rebalance: "true"}, "rebalance: event e1 is active for the same clients; cancel it, or name other clients"},
		{"networks within", config.Event{Spot: "stop", Clients: []string{"10.0.0.0/8"}}, config.Event{Spot: "stop", Clients: []string{"10.1.0.0/16"}}, "spot: event e1 is active for the same clients; cancel it, or name other clients"},
		{"other networks", config.Event{Spot: "stop", Clients: []string{"10.0.0.0/8"}}, config.Event{Spot: "stop", Clients: []string{"11.0.0.0/8"}}, ""},
		{"other entries", config.Event{Spot: "stop", Clients: []string{"clients[0]"}}, config.Event{Spot: "stop", Clients: []string{"clients[1]"}}, ""},
		{"first clients", config.Event{Spot: "stop", FirstClients: 1}, config.Event{Spot: "stop", Clients: []string{"clients[1]"}}, "spot: event e1 is active for the same clients; cancel it, or name other clients"},
		{"finished", config.Event{Spot: "hibernate", Then: "clear"}, config.Event{Spot: "terminate"}, ""},
		{"kinds coexist", config.Event{Spot: "stop"}, config.Event{Rebalance: "true"}, ""},
		{"maintenance", config.Event{Maintenance: "instance-stop"}, config.Event{Maintenance: "instance-stop"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := valid()
			s := one(t, tt.first, b)
			s, e, err := s.Add("e2", tt.second, b, start)
			if tt.want != "" {
				refused(t, err, true, tt.want)
			} else if err != nil || e.ID != "e2" || len(s.Events()) != 2 {
				t.Error(err)
			}
		})
	}
}

func TestAdd_ReplacesOnlyEventsOfTheSameClients(t *testing.T) {
	b := valid()
	var s Set
	for i, clients := range [][]string{{"10.0.0.1", "10.0.0.2"}, nil, {"10.0.0.2", "10.0.0.1"}, {"10.0.0.1"}, nil} {
		s = mustAdd(t, s, fmt.Sprint(i), config.Event{ASG: "Standby", Clients: clients}, b, start)
	}
	wantEqual(t, []string{"2", "3", "4"}, ids(s))
	for _, spec := range []config.Event{{Credentials: "rotate"}, {PublicIP: "198.51.100.1"}, {Profile: "detach"}} {
		s := one(t, spec, b)
		wantEqual(t, []string{"e2"}, ids(mustAdd(t, s, "e2", spec, b, start)))
	}
}

func TestAdd_BoundsTheNumber(t *testing.T) {
	b := valid()
	var s Set
	for i := range MaxEvents - 1 {
		s = mustAdd(t, s, fmt.Sprint(i), config.Event{Tags: &config.EventTags{}}, b, start)
	}
	s = mustAdd(t, s, "asg", config.Event{ASG: "Standby"}, b, start)
	_, _, err := s.Add("more", config.Event{Tags: &config.EventTags{}}, b, start)
	refused(t, err, true, "events: 100 are active, and there can be no more; cancel some")
	if s = mustAdd(t, s, "asg2", config.Event{ASG: "InService"}, b, start); len(s.Events()) != MaxEvents {
		t.Errorf("%d events", len(s.Events()))
	}
	_, _, err = s.Add("asg2", config.Event{ASG: "InService"}, b, start)
	refused(t, err, true, "id: asg2 is another event; choose another id, or cancel it")
}

func TestAdd_RefusesWrongTimes(t *testing.T) {
	b := valid()
	for _, tt := range []struct {
		spec config.Event
		want string
	}{
		{config.Event{ASG: "Standby", At: "noon"}, `at: "noon" is not a time; write e.g. 2026-12-01T02:00:00Z`},
		{config.Event{Maintenance: "instance-stop", NotBefore: "noon"}, `not_before: "noon" is not a time; write e.g. 2026-12-01T02:00:00Z`},
		{
			config.Event{Maintenance: "system-reboot", NotAfter: "2026-12-01T00:00:00Z"},
			"not_after: 2026-12-01T00:00:00Z is not after not_before, 2026-12-06T12:00:00Z; write a later time",
		},
		{config.Event{Maintenance: "system-reboot", NotAfter: "noon", AfterRequests: &config.AfterRequests{Count: 1}}, `not_after: "noon" is not a time; write e.g. 2026-12-01T02:00:00Z`},
	} {
		_, _, err := Set{}.Add("e1", tt.spec, b, start)
		refused(t, err, false, tt.want)
	}
	_, _, err := Set{}.Add("e1", config.Event{ASG: "Standby", AfterRequests: &config.AfterRequests{Count: 1, Path: "/latest/x"}}, b, start)
	if err == nil {
		t.Error("the pattern is accepted")
	}
}

func TestAdd_ChecksAgainstActiveEvents(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Network: "add-ip", Address: "10.0.0.20", Clients: []string{"10.0.0.1"}}, b)
	again := config.Event{Network: "add-ip", Address: "10.0.0.20", Clients: []string{"10.0.0.1"}}
	_, _, err := s.Add("e2", again, b, start)
	refused(t, err, true, "address: 10.0.0.20 is at interface "+mac0+" already; choose another")
	again.Clients = []string{"10.0.0.2"}
	s = mustAdd(t, s, "e2", again, b, start)
	s = mustAdd(t, s, "e3", config.Event{Network: "remove-ip", Address: "10.0.0.20"}, b, start)
	wantEqual(t, []string{"e1", "e2", "e3"}, ids(s))
	if r := s.Apply(Selection{1}, b.Instance, nil, start); r.Misfits != nil {
		t.Error(r.Misfits)
	}
	if r := s.Apply(Selection{}, b.Instance, nil, start); r.Misfits["e3"] == nil {
		t.Error("a client that lacks the address has it removed")
	}
}

func TestAt_IsAbsolute(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", At: "2026-11-29T13:00:00+01:00"}, b) // now
	wantEqual(t, true, s.Events()[0].Phases[0].At.Equal(start))
	s = one(t, config.Event{Spot: "terminate", At: "2026-11-29T12:01:00.5Z"}, b)
	wantEqual(t, Pending, s.Events()[0].PhaseAt(start.Add(time.Minute)).Name)
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{"spot/termination-time": "2026-11-29T12:03:01Z"})
	_, e, err := Set{}.Add("e1", config.Event{Rebalance: "true", At: "2020-01-01T00:00:00Z"}, b, start)
	if err != nil || !e.Phases[0].At.Equal(start) {
		t.Error(err, e.Phases)
	}
	wantEqual(t, []string{"at: 2020-01-01T00:00:00Z is past; the event begins now"}, e.Warnings)
}

func TestAfterRequests_TheNthStartsOnce(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", AfterRequests: &config.AfterRequests{Count: 500, Path: "meta-data/spot/*"}}, b)
	e := s.Events()[0]
	if e.Phases != nil || !s.Next(start).IsZero() || e.PhaseAt(start.Add(time.Hour)).Name != Pending {
		t.Error("it has begun")
	}
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"instance-life-cycle": "spot", "spot": absent})
	var first, later atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if ids, late := s.Request("meta-data/mac"); ids != nil || late {
					t.Errorf("another path starts %q", ids)
				}
				switch ids, late := s.Request("meta-data/spot/instance-action"); {
				case ids == nil:
				case late:
					later.Add(1)
				default:
					first.Add(1)
				}
			}
		})
	}
	all.Wait()
	if first.Load() != 1 || later.Load() != 300 {
		t.Errorf("%d requests start it, and %d are late", first.Load(), later.Load())
	}
	now := start.Add(time.Minute)
	after, err := s.Start("e1", b, now)
	if err != nil {
		t.Fatal(err)
	}
	wantLeaves(t, treeAt(t, after, b, time.Minute), map[string]string{"spot/termination-time": "2026-11-29T12:03:00Z"})
	if again, err := after.Start("e1", b, now.Add(time.Hour)); err != nil || !again.Find("e1").Phases[0].At.Equal(now) {
		t.Error("started twice", err)
	}
	if ids, late := after.Request("meta-data/spot/instance-action"); ids != nil || late {
		t.Error("a started event counts")
	}
	if s.Find("e1").Phases != nil {
		t.Error("the set before has changed")
	}
	_, err = s.Start("x", b, now)
	refused(t, err, false, "id: no event x; list the events")
}

func TestStart_ReplacesAndRefuses(t *testing.T) {
	b := valid()
	s := one(t, config.Event{ASG: "Standby", AfterRequests: &config.AfterRequests{Count: 1}}, b)
	s = mustAdd(t, s, "e2", config.Event{ASG: "InService"}, b, start)
	wantEqual(t, []string{"e2", "e1"}, ids(s))
	s, err := s.Start("e1", b, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, []string{"e1"}, ids(s))
	s = one(t, config.Event{Network: "add-ip", Address: "10.0.0.20", AfterRequests: &config.AfterRequests{Count: 1}}, b)
	s = mustAdd(t, s, "e2", config.Event{Network: "add-ip", Address: "10.0.0.20"}, b, start)
	_, err = s.Start("e1", b, start)
	refused(t, err, true, "address: 10.0.0.20 is at interface "+mac0+" already; choose another")
}

func TestAdvance_KeepsTheOrderOfActivation(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Tags: &config.EventTags{Set: map[string]string{"K": "late"}}, In: time.Hour}, b)
	s = mustAdd(t, s, "e2", config.Event{Tags: &config.EventTags{Set: map[string]string{"K": "early"}}, In: time.Minute}, b, start)
	s = mustAdd(t, s, "e3", config.Event{Tags: &config.EventTags{Set: map[string]string{"K": "waits"}}, AfterRequests: &config.AfterRequests{Count: 1}}, b, start)
	s = mustAdd(t, s, "e4", config.Event{Tags: &config.EventTags{Set: map[string]string{"K": "now"}}}, b, start)
	wantEqual(t, []string{"e4", "e2", "e1", "e3"}, ids(s.Advance(start.Add(2*time.Hour))))
	for after, want := range map[time.Duration]string{0: "now", time.Minute: "early", time.Hour: "late"} {
		wantLeaves(t, treeAt(t, s, b, after), map[string]string{"tags/instance/K": want})
	}
}

func TestNext_FollowsAllPhases(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Rebalance: "10m", In: time.Minute}, b)
	s = mustAdd(t, s, "e2", config.Event{Profile: "detach", Lag: 5 * time.Minute}, b, start)
	now := start
	for _, after := range []time.Duration{time.Minute, 5 * time.Minute, 11 * time.Minute, 13 * time.Minute} {
		now = s.Next(now)
		wantEqual(t, start.Add(after), now)
	}
	if next := s.Next(now); !next.IsZero() {
		t.Errorf("next %s", next)
	}
	e := s.Find("e1")
	if p, ok := e.NextAt(start.Add(time.Minute)); !ok || p.Name != Noticed {
		t.Errorf("next phase %v", p)
	}
	if _, ok := e.NextAt(now); ok {
		t.Error("a phase after the last")
	}
}

func TestHasBeen_CountsPassedPhases(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", In: time.Minute}, b)
	s = mustAdd(t, s, "window", config.Event{Maintenance: "instance-stop"}, b, start)
	s, _, err := s.Maintain("window", config.MaintenanceVerb{Verb: "cancel"}, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, phase string
		after     time.Duration
		want      bool
	}{
		{"e1", "", 0, false},
		{"e1", Pending, 0, true},
		{"e1", Noticed, 0, false},
		{"e1", "", time.Minute, true},
		{"e1", Rebalance, time.Minute, true}, // it has none
		{"e1", Noticed, time.Minute, true},
		{"e1", Acted, time.Minute, false},
		{"e1", Noticed, time.Hour, true},
		{"e1", Acted, time.Hour, true},
		{"e1", Completed, time.Hour, false},
		{"e1", "none", time.Hour, false},
		{"window", Scheduled, 0, true},
		{"window", Completed, 0, false},
		{"window", Canceled, 0, true},
	} {
		if got := s.Find(tt.id).HasBeen(tt.phase, start.Add(tt.after)); got != tt.want {
			t.Errorf("%s in %q after %s: %t", tt.id, tt.phase, tt.after, got)
		}
	}
}

func TestEvent_CopiesShareCounters(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", AfterRequests: &config.AfterRequests{Count: 1}}, b)
	e := s.Find("e1")
	if _, ok := e.Activates(); ok {
		t.Error("a waiting event has a time")
	}
	e.Hit()
	s, err := s.Start("e1", b, start.Add(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	e = s.Find("e1")
	e.Hit()
	if at, ok := e.Activates(); !ok || e.Hits() != 2 || !Seconds(at).Equal(start.Add(time.Second)) {
		t.Errorf("%d hits, begins at %s", e.Hits(), at)
	}
}

func TestTimes_StayOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := valid()
		begin := time.Now()
		s := mustAdd(t, Set{}, "e1", config.Event{Spot: "terminate", Rebalance: "24h", In: 72 * time.Hour, Then: "clear"}, b, begin)
		s = mustAdd(t, s, "e2", config.Event{Maintenance: "system-reboot"}, b, begin)
		seen := map[string]bool{}
		var swaps int
		for {
			next := s.Next(time.Now())
			if next.IsZero() {
				break
			}
			time.Sleep(time.Until(next))
			s = s.Advance(time.Now())
			r := s.Apply(Selection{}, b.Instance, nil, time.Now())
			seen[body(treeOf(t, r), "spot/termination-time")] = true
			swaps++
		}
		if got, want := time.Since(begin), 96*time.Hour+2*time.Minute; got != want || swaps != 3 {
			t.Errorf("%d swaps in %s, want %s", swaps, got, want)
		}
		wantEqual(t, map[string]bool{absent: true, begin.Add(96*time.Hour + 2*time.Minute).UTC().Format(time.RFC3339): true}, seen)
	})
}

// TestTimes_FollowTheMonotonicClock needs the real clock: that of synctest has no monotonic reading.
func TestTimes_FollowTheMonotonicClock(t *testing.T) {
	b := valid()
	s := mustAdd(t, Set{}, "e1", config.Event{Spot: "terminate", Rebalance: "1m", In: time.Minute}, b, time.Now())
	for _, p := range s.Find("e1").Phases {
		if p.At == p.At.Round(0) { //nolint:staticcheck // Equal ignores the reading
			t.Errorf("%s has no monotonic reading", p.Name)
		}
	}
}

func TestSet_MemoryIsFlat(t *testing.T) {
	b := valid()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s := one(t, config.Event{ASG: "Standby"}, b)
	var before uint64
	for i := range 100_000 {
		if i == 1000 {
			before = heap()
		}
		s, _, _ = s.Add("x", config.Event{Spot: "terminate", FirstClients: 5}, b, start)
		s, _ = s.Remove("x")
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d bytes, then %d", before, after)
	}
	if !slices.Equal(ids(s), []string{"e1"}) {
		t.Error(ids(s))
	}
}
