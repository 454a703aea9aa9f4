package app

import (
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/testutil"
)

// largeConfig sets keys of every kind, some of them by files.
const largeConfig = mockConfig + `ec2:
  public_ipv4: 203.0.113.7
  ipv6: 2001:db8::7
  security_groups: [one, two]
  tags: {Name: x, b: y, c: z}
  key_pairs: [{name: k, public_key: ssh-ed25519 AAAA}]
  block_devices: {root: /dev/xvda, ebs1: /dev/sdf}
  user_data_file: data
  network_interfaces:
    - {device_number: 1, mac: "0a:00:00:00:00:01"}
  metadata_options: {instance_metadata_tags: enabled}
metadata:
  meta-data/own/path: x
  meta-data/ami-id: ami-own
  meta-data/product-codes: null
`

// allAnswers asks for every path of the tree in a state.
func (u *unserved) allAnswers(s *State) map[string]*httptest.ResponseRecorder {
	u.state.Store(s)
	answers := map[string]*httptest.ResponseRecorder{}
	for _, path := range s.Target.Tree.Paths() {
		answers[path] = u.ask(path)
	}
	return answers
}

// TestBuild_EqualInputsGiveEqualBytes also checks that build reads no file and no clock, and starts no goroutine.
func TestBuild_EqualInputsGiveEqualBytes(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", largeConfig)
	testutil.Write(t, "conf/data", "#!/bin/sh\n")
	opt := options(load(t, ""))
	now := time.Now()
	opt.Now = func() time.Time { return now } // the signatures have the time
	u := newUnserved(t, opt)
	u.begin(t)
	u.Settle(t.Context())
	first := u.State()
	want := u.allAnswers(first)
	if len(want) < 100 {
		t.Errorf("only %d paths", len(want))
	}

	if err := os.RemoveAll("conf"); err != nil { // so that build would notice
		t.Fatal(err)
	}
	pure := u.builder
	pure.now = func() time.Time {
		t.Error("build reads the clock")
		return time.Time{}
	}
	for _, tt := range []struct {
		name string
		old  *State
	}{{"first", nil}, {"after the same", first}} {
		t.Run(tt.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			next, err := pure.build(first.Inputs, tt.old)
			if err != nil {
				t.Fatal(err)
			}
			if after := runtime.NumGoroutine(); after > before {
				t.Errorf("%d goroutines before, %d after", before, after)
			}
			if next.Keeper != first.Keeper {
				t.Error("another keeper")
			}
			got := u.allAnswers(next)
			if !slices.Equal(first.Target.Tree.Paths(), next.Target.Tree.Paths()) {
				t.Error("other paths")
			}
			for path, w := range want {
				g := got[path]
				if g.Code != w.Code || g.Body.String() != w.Body.String() || !cmp.Equal(g.Header(), w.Header()) {
					t.Errorf("%s: %d %v\n%s\nwant %d %v\n%s", path, g.Code, g.Header(), g.Body, w.Code, w.Header(), w.Body)
				}
				if w.Code != 200 {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
		})
	}
}

// TestBuild_KeepsSignaturesOfTheSameDocument compares pointers: signatures made within one second would be equal anyway.
func TestBuild_KeepsSignaturesOfTheSameDocument(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "")))
	first := u.State()
	for _, tt := range []struct {
		set  string
		same bool
	}{{"log.level=debug", true}, {"ec2.instance_type=t3.large", false}} {
		t.Run(tt.set, func(t *testing.T) {
			in := first.Inputs
			in.Config = load(t, "", tt.set)
			next, err := u.builder.build(in, first)
			if err != nil {
				t.Fatal(err)
			}
			if same := next.signed == first.signed; same != tt.same {
				t.Errorf("the signatures are the same: %v, want %v", same, tt.same)
			}
		})
	}
}

// TestBuild_HasCredentialsOnlyWithAnInstanceProfile looks at the specs, whose keepers run.
func TestBuild_HasCredentialsOnlyWithAnInstanceProfile(t *testing.T) {
	testutil.IsolateHome(t)
	for _, tt := range []struct {
		name  string
		set   []string
		specs int
	}{
		{name: "role", specs: 1},
		{name: "no role", set: []string{"credentials.mock=false", "credentials.iam_role="}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newUnserved(t, options(load(t, "", tt.set...))).State()
			if len(s.Specs) != tt.specs || (s.Keeper != nil) != (tt.specs > 0) || (s.Target.Credentials != nil) != (tt.specs > 0) {
				t.Errorf("%d specs, keeper %v, source %v", len(s.Specs), s.Keeper, s.Target.Credentials)
			}
		})
	}
}

func TestCheck_ReturnsThePathsThatTheDaemonServes(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", largeConfig)
	testutil.Write(t, "conf/data", "#!/bin/sh\n")
	loaded := load(t, config.DefaultFile)
	snapshot, err := Check(loaded)
	if err != nil {
		t.Fatal(err)
	}
	served := newUnserved(t, options(loaded)).State().Target.Tree
	if diff := cmp.Diff(served.Paths(), snapshot.Paths()); diff != "" {
		t.Errorf("(-served +checked):\n%s", diff)
	}
}

// TestBuild_EventsLeaveTheIDs: with a thousand roles, their HMACs would be most of what an event takes.
func TestBuild_EventsLeaveTheIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const one, two = "roles: {one: {iam_role: 'arn:aws:iam::123456789012:role/one'}}\n", "roles: {two: {iam_role: 'arn:aws:iam::123456789012:role/two'}}\n"
		u := simulate(t, mockConfig+one)
		before := u.State()
		u.putEvent(t, "r", `{"restart": true}`)
		if u.State() == before || u.State().ids != before.ids {
			t.Error("an event makes other ids")
		}
		testutil.Write(t, "conf/config.yaml", mockConfig+two)
		if err := u.Reload("test"); err != nil {
			t.Fatal(err)
		}
		for role, want := range map[string]bool{"one": false, "two": true} {
			id := ecs.ID(u.State().Secret.Key(), role, u.State().Instance.ID)
			if _, ok := u.State().ids.Find(id); ok != want {
				t.Errorf("after a reload, the id of %s is known: %v", role, ok)
			}
		}
	})
}
