package tree

import (
	"slices"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

func TestChanged_NamesValuesThatDiffer(t *testing.T) {
	in := &config.Instance{EC2: config.EC2{InstanceID: "i-0123456789abcdef0", LocalIPv4: "10.0.0.5"}, AWS: config.AWS{Region: "eu-west-1"}}
	text := "x"
	build := func(overrides map[string]*string) *Snapshot {
		s, err := New(instance.New(in, nil), overrides)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := build(nil)
	after := build(map[string]*string{
		"meta-data/mac": nil, "meta-data/instance-id": &text, "meta-data/spot/instance-action": &text,
		"meta-data/hostname": nil, "meta-data/hostname/below": &text,
	})
	want := []string{"meta-data/hostname", "meta-data/hostname/below", "meta-data/instance-id", "meta-data/mac", "meta-data/spot/instance-action"}
	if got := before.Changed(after); !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
	if got := after.Changed(before); !slices.Equal(got, want) {
		t.Errorf("the other way round %q, want %q", got, want)
	}
	if got := before.Changed(build(nil)); len(got) > 0 {
		t.Errorf("equal trees differ in %q", got)
	}
}
