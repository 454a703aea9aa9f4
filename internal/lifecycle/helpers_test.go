package lifecycle

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// start is when events are added, if a test says nothing else.
var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const (
	mac0 = "02:00:00:00:00:01"
	mac1 = "02:00:00:00:00:02"
	macs = "network/interfaces/macs/"
	role = "app-role"
)

// valid returns an instance with a role, a public address and tags.
func valid() Base {
	return Base{
		Instance: config.Instance{
			Credentials: config.Credentials{IAMRole: "arn:aws:iam::123456789012:role/team/" + role},
			AWS:         config.AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
			EC2: config.EC2{
				InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "t3.micro", Architecture: "x86_64",
				LifeCycle: "on-demand", LocalIPv4: "10.0.0.10", PublicIPv4: "203.0.113.25", MAC: mac0, PendingTime: "2026-01-02T03:04:05Z",
				Monitoring: "disabled", Tags: map[string]string{"Name": "web"},
				MetadataOptions: config.MetadataOptions{HTTPTokens: "optional", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: 64, InstanceMetadataTags: "enabled"},
			},
		},
		UserData: []byte("#!/bin/sh\n"),
		Entries:  2,
	}
}

// withInterface gives an instance a second interface.
func withInterface(b Base) Base {
	b.Instance.EC2.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 1, MAC: mac1}}
	return b
}

// mustAdd adds an event at a time.
func mustAdd(t *testing.T, s Set, id string, spec config.Event, b Base, now time.Time) Set {
	t.Helper()
	s, _, err := s.Add(id, spec, b, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one returns the set of one event.
func one(t *testing.T, spec config.Event, b Base) Set {
	t.Helper()
	return mustAdd(t, Set{}, "e1", spec, b, start)
}

// treeAt is what all clients see at a time after the start. No event may be a misfit.
func treeAt(t *testing.T, s Set, b Base, after time.Duration) *tree.Snapshot {
	t.Helper()
	r := s.Apply(Selection{}, b.Instance, b.UserData, start.Add(after))
	if r.Misfits != nil {
		t.Fatal(r.Misfits)
	}
	return treeOf(t, r)
}

func treeOf(t *testing.T, r Result) *tree.Snapshot {
	t.Helper()
	snapshot, err := tree.New(instance.New(&r.Instance, r.UserData), r.Instance.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

const absent = "(absent)"

// body is what a path below /latest/meta-data answers.
func body(s *tree.Snapshot, path string) string {
	if n := s.Lookup("/latest/meta-data/" + path); n != nil {
		return string(n.Body)
	}
	return absent
}

// wantLeaves compares paths below /latest/meta-data.
func wantLeaves(t *testing.T, s *tree.Snapshot, want map[string]string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[path], body(s, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	wantListed(t, s)
}

// wantListed requires that each listed path has an answer.
func wantListed(t *testing.T, s *tree.Snapshot) {
	t.Helper()
	var walk func(dir string)
	walk = func(dir string) {
		n := s.Lookup(strings.TrimSuffix(dir, "/"))
		if n == nil {
			t.Errorf("%s is listed and absent", dir)
			return
		}
		if n.Kind != tree.Listing {
			return
		}
		for name := range strings.SplitSeq(string(n.Body), "\n") {
			number, _, isKey := strings.Cut(name, "=")
			if isKey && strings.HasSuffix(dir, "public-keys/") {
				name = number
			}
			walk(strings.TrimSuffix(dir, "/") + "/" + name)
		}
	}
	walk("/latest/")
}

// bodies are all answers by path.
func bodies(s *tree.Snapshot) map[string]string {
	all := map[string]string{}
	for _, path := range s.Paths() {
		all[path] = string(s.Lookup(strings.TrimSuffix(path, "/")).Body)
	}
	return all
}

// baseTree is what clients see without events.
func baseTree(t *testing.T, b Base) *tree.Snapshot {
	t.Helper()
	return treeAt(t, Set{}, b, 0)
}

// refused requires an error that is a conflict or not.
func refused(t *testing.T, err error, conflict bool, want string) {
	t.Helper()
	e, ok := err.(*Error) //nolint:errorlint // it is never wrapped
	if !ok {
		t.Fatalf("got %v, want an *Error: %s", err, want)
	}
	if e.Error() != want || e.Conflict != conflict {
		t.Errorf("got  %s (conflict %t)\nwant %s (conflict %t)", e, e.Conflict, want, conflict)
	}
	if !strings.HasPrefix(e.Reason, e.Field) {
		t.Errorf("the reason does not start with the field %s", e.Field)
	}
}
