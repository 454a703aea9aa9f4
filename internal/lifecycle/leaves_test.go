package lifecycle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

func wantEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASG_ShowsStatesVerbatim(t *testing.T) {
	b := valid()
	var s Set
	for i, state := range []string{
		"InService", "Terminated", "Detached", "Standby", "Warmed:Running", "Warmed:Stopped", "Warmed:Hibernated", "Warmed:Terminated", "RootVolumeReplaced",
	} {
		s = mustAdd(t, s, state, config.Event{ASG: state}, b, start.Add(time.Duration(i)*time.Second))
		if len(s.Events()) != 1 {
			t.Errorf("%d events, want the last alone", len(s.Events()))
		}
		wantLeaves(t, treeAt(t, s, b, time.Hour), map[string]string{"autoscaling/target-lifecycle-state": state})
	}
	s = mustAdd(t, s, "gone", config.Event{ASG: "gone"}, b, start.Add(time.Hour))
	wantEqual(t, bodies(baseTree(t, b)), bodies(treeAt(t, s, b, time.Hour)))
}

func TestASG_WaitsForItsTurn(t *testing.T) {
	b := valid()
	s := one(t, config.Event{ASG: "InService"}, b)
	s = mustAdd(t, s, "e2", config.Event{ASG: "Terminated", In: time.Minute}, b, start)
	wantLeaves(t, treeAt(t, s, b, time.Minute-1), map[string]string{"autoscaling/target-lifecycle-state": "InService"})
	wantLeaves(t, treeAt(t, s, b, time.Minute), map[string]string{"autoscaling/target-lifecycle-state": "Terminated"})
	if s = s.Advance(start.Add(time.Minute)); s.Find("e1") != nil {
		t.Error("the first is left")
	}
}

func TestTags_Stack(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Tags: &config.EventTags{Set: map[string]string{"Stage": "test", "Name": "db"}}}, b)
	s = mustAdd(t, s, "e2", config.Event{Tags: &config.EventTags{Set: map[string]string{"Owner": ""}, Unset: []string{"Stage", "None"}}}, b, start)
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"tags/instance": "Name\nOwner", "tags/instance/Name": "db", "tags/instance/Owner": ""})
	s, _ = s.Remove("e2")
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"tags/instance": "Name\nStage", "tags/instance/Stage": "test"})
	if !cmp.Equal(b.Instance.EC2.Tags, map[string]string{"Name": "web"}) {
		t.Errorf("the input has changed: %v", b.Instance.EC2.Tags)
	}
}

func TestTags_DisabledWarns(t *testing.T) {
	b := valid()
	b.Instance.EC2.MetadataOptions.InstanceMetadataTags = "disabled"
	s, e, err := Set{}.Add("e1", config.Event{Tags: &config.EventTags{Set: map[string]string{"a b": "1"}}}, b, start)
	if want := []string{"ec2.metadata_options.instance_metadata_tags is disabled; clients see no tags"}; err != nil || !cmp.Equal(e.Warnings, want) {
		t.Errorf("got %q, %v", e.Warnings, err)
	}
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"tags": absent})
	_, _, err = s.Add("e2", config.Event{Options: &config.EventOptions{InstanceMetadataTags: "enabled"}}, b, start)
	refused(t, err, false, `options.instance_metadata_tags: "a b" is not a key that instance metadata can hold; it has letters, digits and +=.,_:@-`)
}

func TestTags_RefusesKeys(t *testing.T) {
	for _, key := range []string{"", "a b", "a/b", ".", "..", "_index", "ä"} {
		_, _, err := Set{}.Add("e1", config.Event{Tags: &config.EventTags{Set: map[string]string{key: "1"}}}, valid(), start)
		refused(t, err, false, `tags.set: "`+key+`" is not a key that instance metadata can hold; it has letters, digits and +=.,_:@-`)
	}
}

func TestOptions_LaterWins(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Options: &config.EventOptions{HTTPTokens: "required", HTTPPutResponseHopLimit: 1}}, b)
	s = mustAdd(t, s, "e2", config.Event{Options: &config.EventOptions{HTTPEndpoint: "disabled", InstanceMetadataTags: "disabled", HTTPPutResponseHopLimit: 2}}, b, start)
	options := func() config.MetadataOptions {
		return s.Apply(Selection{}, b.Instance, nil, start).Instance.EC2.MetadataOptions
	}
	wantEqual(t, config.MetadataOptions{HTTPTokens: "required", HTTPEndpoint: "disabled", HTTPPutResponseHopLimit: 2, InstanceMetadataTags: "disabled"}, options())
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"tags": absent})
	s, _ = s.Remove("e2")
	wantEqual(t, config.MetadataOptions{HTTPTokens: "required", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: 1, InstanceMetadataTags: "enabled"}, options())
}

func TestSet_AnyLeaf(t *testing.T) {
	b := valid()
	b.Instance.Metadata = map[string]*string{"meta-data/own/a": new("1"), "meta-data/system": nil}
	s := one(t, config.Event{Set: map[string]string{"meta-data/own/b": "2", "meta-data/ami-id": "ami-2", "dynamic/x": "", "meta-data/system": "back"}, Unset: []string{"meta-data/mac"}}, b)
	now := treeAt(t, s, b, 0)
	wantLeaves(t, now, map[string]string{"own": "a\nb", "own/b": "2", "ami-id": "ami-2", "mac": absent, "system": "back"})
	if n := now.Lookup("/latest/dynamic/x"); n == nil || len(n.Body) != 0 {
		t.Error("no empty leaf")
	}
	s = mustAdd(t, s, "e2", config.Event{Unset: []string{"meta-data/own"}}, b, start)
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"own": absent, "own/a": absent, "own/b": absent, "ami-id": "ami-2"})
	s = mustAdd(t, s, "e3", config.Event{Set: map[string]string{"meta-data/own": "leaf"}}, b, start)
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"own": "leaf"})
	if len(b.Instance.Metadata) != 2 || b.Instance.Metadata["meta-data/system"] != nil {
		t.Error("the input has changed")
	}
}

func TestSet_RefusesWhatCannotBeBoth(t *testing.T) {
	b := valid()
	b.Instance.Metadata = map[string]*string{"meta-data/own/a": new("1")}
	s := one(t, config.Event{Set: map[string]string{"meta-data/x/y": "1"}}, b)
	for _, tt := range []struct {
		path, want string
		conflict   bool
	}{
		{"meta-data/spot", "set.meta-data/spot: it is a directory of EC2; set a path below it", false},
		{"meta-data/network/interfaces/macs/02:00:00:00:00:09", "set.meta-data/network/interfaces/macs/02:00:00:00:00:09: it is a directory of EC2; set a path below it", false},
		{"meta-data/mac/x", "set.meta-data/mac/x: meta-data/mac is a value of EC2, and nothing can be below it; set another path", false},
		{"user-data/x", "set.user-data/x: user-data is a value of EC2, and nothing can be below it; set another path", false},
		{"meta-data/own", "set: meta-data/own is a directory, which holds meta-data/own/a; unset one of them", true},
		{"meta-data/x/y/z", "set: meta-data/x/y is a value, so meta-data/x/y/z cannot be below it; unset one of them", true},
	} {
		_, _, err := s.Add("e2", config.Event{Set: map[string]string{tt.path: "1"}}, b, start)
		refused(t, err, tt.conflict, tt.want)
	}
}

func TestApply_MisfitIsLeftOutAsAWhole(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate"}, b)
	s = mustAdd(t, s, "tags", config.Event{Tags: &config.EventTags{Set: map[string]string{"K": "V"}}}, b, start)
	s = mustAdd(t, s, "broken", config.Event{Profile: "break", Code: "Failed"}, b, start)
	// After a reload metadata has values where the events have directories.
	b.Instance.Metadata = map[string]*string{"meta-data/spot": new("x"), "meta-data/tags": new("y"), "meta-data/iam/security-credentials": new("z")}
	b.Instance.EC2.Tags, b.Instance.Credentials.IAMRole = nil, ""
	b.Instance.Credentials.SourceProfile = "dev"
	in := b.Instance
	r := s.Apply(Selection{}, in, nil, start)
	if len(r.Misfits) != 3 {
		t.Fatalf("misfits: %v", r.Misfits)
	}
	for id, want := range map[string]string{
		"e1":     "spot: meta-data/spot is a value, so meta-data/spot/instance-action cannot be below it; unset one of them",
		"tags":   "tags.set: nothing can be below meta-data/tags, which has a value; unset that first",
		"broken": "profile: meta-data/iam/security-credentials is a value, so meta-data/iam/security-credentials/dev cannot be below it; unset one of them",
	} {
		refused(t, r.Misfits[id], true, want)
	}
	r.Misfits = nil
	wantEqual(t, Result{Instance: in}, r)
}

func TestLayout_HasEveryPathOfTheTree(t *testing.T) {
	b := withInterface(valid())
	b.Instance.EC2.IPv6, b.Instance.EC2.IPv4Prefixes, b.Instance.EC2.IPv6Prefixes = "2001:db8::1", []string{"10.0.1.0/28"}, []string{"2001:db8:0:0:1::/80"}
	b.Instance.EC2.KeyPairs = []config.KeyPair{{Name: "k", PublicKey: "ssh-ed25519 AAAA"}}
	b.Instance.EC2.ProductCodes, b.Instance.EC2.Placement = []string{"p"}, config.Placement{GroupName: "g", HostID: "h", PartitionNumber: 1}
	s := one(t, config.Event{Spot: "terminate", Rebalance: "0s"}, b)
	s = mustAdd(t, s, "e2", config.Event{ASG: "InService"}, b, start)
	for _, path := range treeAt(t, s, b, 0).Paths() {
		below, dir := strings.CutSuffix(strings.TrimPrefix(path, "/latest/"), "/")
		if below == "" || below == "meta-data" || below == "dynamic" {
			continue
		}
		if got := layoutConflict(below); (got != "") != dir {
			t.Errorf("%s: %q, directory: %t", path, got, dir)
		}
		if !dir && layoutConflict(below+"/x") == "" {
			t.Errorf("%s/x has no conflict", path)
		}
	}
	if fields := strings.Fields(layout); len(slices.Compact(slices.Sorted(slices.Values(fields)))) != len(fields) {
		t.Error("a path is there twice")
	}
}
