package config

import (
	"slices"
	"strings"
	"testing"
)

// typesOf are instance types of each architecture, as DescribeInstanceTypes tells them.
var typesOf = map[string]string{
	"x86_64": `t3.nano t3a.small t2.micro m5.large m5dn.metal m7i-flex.large c8i-flex.large m6a.48xlarge c5n.18xlarge c6in.large r5b.large
		r7iz.large x1e.xlarge x2iedn.metal x2idn.metal z1d.large i3en.24xlarge i7ie.large d3en.large h1.2xlarge hpc6a.48xlarge hpc6id.32xlarge
		hpc7a.96xlarge inf2.xlarge trn1n.32xlarge trn2.48xlarge dl1.24xlarge dl2q.24xlarge f2.6xlarge vt1.3xlarge p4de.24xlarge p5en.48xlarge
		p6-b200.48xlarge p6-b300.48xlarge g3s.xlarge g4dn.xlarge g4ad.xlarge g5.xlarge g6.xlarge g6e.xlarge g6f.large gr6.4xlarge gr6f.4xlarge
		g7e.2xlarge u-3tb1.56xlarge u-6tb1.112xlarge u-24tb1.metal u7i-12tb.224xlarge u7i-6tb.112xlarge u7in-16tb.224xlarge u7inh-32tb.480xlarge
		t1.micro m1.small c1.medium cc2.8xlarge cg1.4xlarge hs1.8xlarge hi1.4xlarge cr1.8xlarge m8azn.large`,
	"arm64": `a1.medium a1.metal t4g.nano m6g.large m6gd.metal m7g.large m8gb.large m9g.large c6g.large c6gd.large c6gn.large c7gn.xlarge c8gn.large c9g.large
		r6gd.large r8g.metal-24xl r8gb.large x2gd.medium x8g.large im4gn.large is4gen.medium i4g.large i8g.large i8ge.large g5g.xlarge g5g.metal hpc7g.4xlarge
		p6e-gb200.36xlarge p6e-gb300.36xlarge`,
	"x86_64_mac": "mac1.metal",
	"arm64_mac":  "mac2.metal mac2-m1ultra.metal mac2-m2.metal mac2-m2pro.metal mac-m4.metal mac-m4pro.metal mac-m4max.metal mac-m3ultra.metal mac3.metal",
	"":           "large bmn-sf1.metal u-6tb1x.metal macbook.metal mac.metal M6G.large 6g.large t-3.nano m6g_x.large .large",
}

func TestArchitecture_FollowsTheInstanceType(t *testing.T) {
	for want, types := range typesOf {
		for instanceType := range strings.FieldsSeq(types) {
			t.Run(instanceType, func(t *testing.T) {
				if got := architectureOf(instanceType); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

func TestArchitecture_IsDerivedUnlessSet(t *testing.T) {
	const unknown = `f.yaml:1: ec2.instance_type: "bmn-sf1.metal" does not tell the architecture, so that is x86_64; set ec2.architecture`
	for _, tt := range []struct {
		content      string
		architecture string
		warnings     []string
	}{
		{"ec2: {}", "x86_64", nil},
		{"ec2: {instance_type: mac2.metal}", "arm64_mac", nil},
		{"ec2: {instance_type: mac1.metal}", "x86_64_mac", nil},
		{"ec2: {instance_type: m6g.large}", "arm64", nil},
		{"ec2: {instance_type: m6g.large, architecture: x86_64}", "x86_64", nil},
		{"ec2: {instance_type: mac2.metal, architecture: arm64_mac}", "arm64_mac", nil},
		{"ec2: {instance_type: bmn-sf1.metal}", "x86_64", []string{unknown}},
		{"ec2: {instance_type: nova.large}", "x86_64", []string{strings.Replace(unknown, "bmn-sf1.metal", "nova.large", 1)}},
		{"ec2: {instance_type: large}", "x86_64", []string{`f.yaml:1: ec2.instance_type: "large" is not an instance type as EC2 names them, e.g. t3.nano`}},
		{"ec2: {instance_type: bmn-sf1.metal, architecture: arm64}", "arm64", nil},
	} {
		t.Run(tt.content, func(t *testing.T) {
			l := mustLoad(t, tt.content, nil, nil)
			if got := l.Config.EC2.Architecture; got != tt.architecture || !slices.Equal(l.Warnings, tt.warnings) {
				t.Errorf("got %s, %q; want %s, %q", got, l.Warnings, tt.architecture, tt.warnings)
			}
		})
	}
}
