package lifecycle

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func dashed(address string) string { return strings.ReplaceAll(address, ".", "-") }

func TestRestart_GivesNewTimesAndAddress(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Restart: true, UserData: "new", ForgetTokens: true, In: time.Minute}, b)
	if r := s.Apply(Selection{}, b.Instance, b.UserData, start); r.Instance.EC2.PendingTime != b.Instance.EC2.PendingTime || !r.TokensSince.IsZero() {
		t.Errorf("restarted too early: %v", r.TokensSince)
	}
	r := s.Apply(Selection{}, b.Instance, b.UserData, start.Add(time.Hour))
	if got, want := r.TokensSince, start.Add(time.Minute); !got.Equal(want) {
		t.Errorf("tokens since %s, want %s", got, want)
	}
	if r.Instance.EC2.PendingTime != "2026-11-29T12:01:00Z" || string(r.UserData) != "new" || r.Gone {
		t.Errorf("pending time %s, user data %q", r.Instance.EC2.PendingTime, r.UserData)
	}
	if got := r.Instance.EC2.PublicIPv4; got == b.Instance.EC2.PublicIPv4 || got == "" {
		t.Errorf("public address %s", got)
	}
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{"instance-id": "i-0123456789abcdef0", "local-ipv4": "10.0.0.10"})
}

func TestRestart_KeepsWhatItShall(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Restart: true, KeepIP: true}, b)
	r := s.Apply(Selection{}, b.Instance, b.UserData, start)
	if r.Instance.EC2.PublicIPv4 != "203.0.113.25" || string(r.UserData) != "#!/bin/sh\n" || !r.TokensSince.IsZero() {
		t.Errorf("got %s, %q, %v", r.Instance.EC2.PublicIPv4, r.UserData, r.TokensSince)
	}
}

func TestRestart_EachGivesAnotherAddress(t *testing.T) {
	b := valid()
	seen := map[string]bool{b.Instance.EC2.PublicIPv4: true}
	var s Set
	for i := range 90 {
		now := start.Add(time.Duration(i) * time.Minute)
		s = mustAdd(t, s, "r"+strings.Repeat("x", i), config.Event{Restart: true}, b, now)
		before := s.Apply(Selection{}, b.Instance, nil, now.Add(-time.Second)).Instance.EC2.PublicIPv4
		after := s.Apply(Selection{}, b.Instance, nil, now).Instance.EC2.PublicIPv4
		if before == after || after == "203.0.113.25" {
			t.Fatalf("restart %d: %s, then %s", i, before, after)
		}
		seen[after] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d addresses", len(seen))
	}
}

func TestRestart_WithoutPublicAddressHasNone(t *testing.T) {
	b := valid()
	b.Instance.EC2.PublicIPv4 = ""
	wantLeaves(t, treeAt(t, one(t, config.Event{Restart: true}, b), b, 0), map[string]string{"public-ipv4": absent, "public-hostname": absent})
}

func TestRestart_EndsNotices(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Then: "gone"}, b)
	s = mustAdd(t, s, "signal", config.Event{Rebalance: "true"}, b, start)
	s = mustAdd(t, s, "asg", config.Event{ASG: "InService"}, b, start)
	s = mustAdd(t, s, "later", config.Event{Restart: true, In: time.Hour}, b, start)
	if len(s.Advance(start.Add(time.Hour-1)).Events()) != 4 {
		t.Error("events ended before the restart")
	}
	r := s.Apply(Selection{}, b.Instance, nil, start.Add(time.Hour))
	if r.Gone {
		t.Error("the instance is gone")
	}
	wantLeaves(t, treeOf(t, r), map[string]string{
		"spot": absent, "events/recommendations": absent, "autoscaling/target-lifecycle-state": "InService", "instance-life-cycle": "on-demand",
	})
	s = s.Advance(start.Add(time.Hour))
	if s.Find("e1") != nil || s.Find("signal") != nil || len(s.Events()) != 2 {
		t.Errorf("%d events are left", len(s.Events()))
	}
	// A notice after the restart is for the new instance, also in the same moment.
	s = mustAdd(t, s, "e2", config.Event{Spot: "stop"}, b, start.Add(time.Hour))
	wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{"spot/instance-action": `{"action": "stop", "time": "2026-11-29T13:02:00Z"}`})
}

func TestRestart_ReplacesUserDataOfAnEvent(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Set: map[string]string{"user-data": "set"}}, b)
	userData := func(after time.Duration) string {
		return string(treeAt(t, s, b, after).Lookup("/latest/user-data").Body)
	}
	if got := userData(0); got != "set" {
		t.Errorf("got %q", got)
	}
	s = mustAdd(t, s, "e2", config.Event{Restart: true, UserData: "new"}, b, start.Add(time.Minute))
	if got := userData(time.Minute); got != "new" {
		t.Errorf("got %q", got)
	}
	s = mustAdd(t, s, "e3", config.Event{Unset: []string{"user-data"}}, b, start.Add(2*time.Minute))
	if n := treeAt(t, s, b, 2*time.Minute).Lookup("/latest/user-data"); n != nil {
		t.Errorf("got %q", n.Body)
	}
}

func TestRestart_OfSomeClientsEndsNoticesForThem(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Rebalance: "0s", Notice: new(time.Duration(0)), Then: "gone"}, b)
	s = mustAdd(t, s, "e2", config.Event{Restart: true, Clients: []string{"127.0.0.2"}}, b, start.Add(time.Minute))
	now := start.Add(time.Minute)
	if s = s.Advance(now); len(s.Events()) != 2 || !s.Apply(Selection{}, b.Instance, nil, now).Gone {
		t.Error("it has ended for the others")
	}
	r := s.Apply(s.Select(netip.MustParseAddr("127.0.0.2"), -1, now), b.Instance, nil, now)
	if r.Gone {
		t.Error("the instance is gone")
	}
	wantLeaves(t, treeOf(t, r), map[string]string{"spot": absent, "events/recommendations": absent})
}

func TestRestart_LeavesUserDataToMetadata(t *testing.T) {
	b := valid()
	b.Instance.Metadata = map[string]*string{"user-data": new("file")}
	s := one(t, config.Event{Set: map[string]string{"user-data": "set"}}, b)
	s = mustAdd(t, s, "e2", config.Event{Restart: true, UserData: "new"}, b, start)
	if got := string(treeAt(t, s, b, 0).Lookup("/latest/user-data").Body); got != "file" {
		t.Errorf("got %q", got)
	}
}

// publicAfter is the public address with events.
func publicAfter(s Set, b Base) string {
	return s.Apply(Selection{}, b.Instance, nil, start).Instance.EC2.PublicIPv4
}

func TestRestart_NeverGivesTheOldAddress(t *testing.T) {
	b := valid()
	first := one(t, config.Event{Restart: true}, b)
	old := publicAfter(first, b)
	for i := range 10_000 {
		id := strconv.Itoa(i)
		if publicAfter(mustAdd(t, Set{}, id, config.Event{Restart: true}, b, start), b) != old {
			continue
		}
		if got := publicAfter(mustAdd(t, first, id, config.Event{Restart: true}, b, start), b); got == old {
			t.Errorf("%s again", old)
		}
		return
	}
	t.Error("no event gives the same address")
}

func TestPublicIP_ReleaseNeverGivesTheOldAddress(t *testing.T) {
	b := valid()
	release := config.Event{PublicIP: "release"}
	old := publicAfter(mustAdd(t, Set{}, "e2", release, b, start), b)
	s := one(t, config.Event{PublicIP: old}, b)
	if got := publicAfter(mustAdd(t, s, "e2", release, b, start), b); got == old {
		t.Errorf("%s again", got)
	}
}
