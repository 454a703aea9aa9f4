package config

import (
	"regexp"
	"strings"
	"testing"
)

const onNode = "kubernetes: {enabled: true, rules: {host_network: none, namespaces: {x: {allow: ['arn:*']}}}}\n"

// loadOnNode loads a file f.yaml on a node that the API describes.
func loadOnNode(t *testing.T, content string, environ []string, n Node) (l *Loaded, asked []string) {
	t.Helper()
	l, err := load("f.yaml", []byte(content), Sources{Environ: environ, Node: func(node string) Node {
		asked = append(asked, node)
		return n
	}}, "linux")
	must(t, err)
	return l, asked
}

var node1 = []string{"NODE_NAME=node1"}

func TestNode_DescribesTheInstance(t *testing.T) {
	facts := Node{Name: "node1", Cluster: "0a1b2c3d", Zone: "eu-central-1b", InstanceType: "m6g.large", IPv4: "192.168.49.2", IPv6: "fd00::2"}
	l, asked := loadOnNode(t, onNode, node1, facts)
	if len(asked) != 1 || asked[0] != "node1" {
		t.Errorf("asked for %q", asked)
	}
	printed := string(l.YAML())
	for _, line := range []string{
		"node: node1 # NODE_NAME", "cluster_name: 0a1b2c3d # node node1", "instance_id: " + nodeInstanceID("0a1b2c3d", "node1") + " # node node1",
		"instance_type: m6g.large # node node1", "architecture: arm64 # default", "availability_zone: eu-central-1b # node node1",
		"region: eu-central-1 # aws.availability_zone", "local_ipv4: 192.168.49.2 # node node1", "ipv6: fd00::2 # node node1",
	} {
		if !strings.Contains(printed, " "+line+"\n") {
			t.Errorf("not printed: %s", line)
		}
	}
	if t.Failed() {
		t.Log(printed)
	}
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

func TestNode_WhatIsSetWins(t *testing.T) {
	const set = onNode + `
aws: {region: eu-west-1}
ec2: {instance_id: i-0123456789abcdef1, instance_type: t3.nano, local_ipv4: 10.1.2.3, ipv6: '2001:db8::1'}
`
	facts := Node{Name: "node1", Cluster: "c", Zone: "eu-central-1b", InstanceType: "m6g.large", IPv4: "192.168.49.2", IPv6: "fd00::2"}
	l, _ := loadOnNode(t, strings.Replace(set, "enabled: true", "enabled: true, node: mine, cluster_name: own", 1), node1, facts)
	c := l.Config
	if got := c.Kubernetes.Node + " " + c.Kubernetes.ClusterName; got != "mine own" {
		t.Errorf("got %s", got)
	}
	if c.AWS.Region != "eu-west-1" || c.AWS.AvailabilityZone != "eu-west-1a" {
		t.Errorf("the label's zone is in another region: %+v", c.AWS)
	}
	if e := c.EC2; e.InstanceID != "i-0123456789abcdef1" || e.InstanceType != "t3.nano" || e.LocalIPv4 != "10.1.2.3" || e.IPv6 != "2001:db8::1" {
		t.Errorf("got %s, %s, %s, %s", e.InstanceID, e.InstanceType, e.LocalIPv4, e.IPv6)
	}
	l, _ = loadOnNode(t, onNode+"ec2: {vpc_ipv4_cidr_blocks: [10.9.0.0/16], ipv6s: ['2001:db8::1']}", node1, facts)
	if e := l.Config.EC2; e.LocalIPv4 != "10.9.0.10" || e.IPv6 != "2001:db8::1" {
		t.Errorf("a configured network: got %s, %s", e.LocalIPv4, e.IPv6)
	}
	l, _ = loadOnNode(t, onNode+"aws: {region: eu-central-1}", node1, facts)
	if got := l.Config.AWS.AvailabilityZone; got != "eu-central-1b" {
		t.Errorf("the label's zone is in the region: got %s", got)
	}
}

func TestNode_WhatIsNotAWSIsLeftOut(t *testing.T) {
	l, _ := loadOnNode(t, onNode, node1, Node{Name: "node1", Cluster: "a b", Zone: "rack 7", InstanceType: "k3s", IPv4: "fd00::2", IPv6: "10.0.0.1"})
	c := l.Config
	if c.AWS.AvailabilityZone != "us-east-1a" || c.EC2.InstanceType != "t3.micro" || c.EC2.LocalIPv4 != "10.0.0.10" || c.EC2.IPv6 != "" || c.Kubernetes.ClusterName != "" {
		t.Errorf("got %+v, %+v", c.AWS, c.EC2)
	}
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

func TestNode_UnknownOneLeavesDefaults(t *testing.T) {
	l, _ := loadOnNode(t, onNode, node1, Node{})
	if got := l.Config.EC2.InstanceID; got != "i-0123456789abcdef0" {
		t.Errorf("got %s", got)
	}
}

func TestNode_IsAskedOnlyInAClusterThatKnowsItsNode(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		environ    []string
	}{
		{"not enabled", "kubernetes: {node: node1}", node1},
		{"no name", onNode, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, asked := loadOnNode(t, tt.yaml, tt.environ, Node{Name: "x"}); len(asked) > 0 {
				t.Errorf("asked for %q", asked)
			}
		})
	}
	_, err := load("f.yaml", []byte(onNode), Sources{Environ: []string{"NODE_NAME=A"}, Node: func(string) Node { panic("asked") }}, "linux")
	expectError(t, err, `NODE_NAME: kubernetes.node: "A" is not a name in Kubernetes; it has lower-case letters, digits, - and .`)
}

func TestNode_InstanceIDIsStableAndItsOwn(t *testing.T) {
	format := regexp.MustCompile(`^i-[0-9a-f]{17}$`)
	seen := map[string]string{}
	for _, of := range [][2]string{{"a", "b"}, {"a", "c"}, {"b", "b"}, {"ab", ""}, {"", "ab"}, {"a", "b\x00"}} {
		id := nodeInstanceID(of[0], of[1])
		if !format.MatchString(id) || seen[id] != "" {
			t.Errorf("%q: %s, as %q", of, id, seen[id])
		}
		seen[id] = of[0] + "/" + of[1]
	}
	if got, want := nodeInstanceID("0a1b2c3d", "node1"), "i-fb37116595903d7f6"; got != want { // also by the next version
		t.Errorf("got %s, want %s", got, want)
	}
}

// The profile's region is not asked for: the zone of the node says it.
func TestNode_ZoneTakesPrecedenceOverTheProfile(t *testing.T) {
	src := Sources{
		Environ: append([]string{"AWS_REGION=eu-west-1"}, node1...), Node: func(string) Node { return Node{Name: "node1", Zone: "us-west-2a"} },
		Profile: func(string, string) Profile { t.Error("asked for the profile"); return Profile{} },
	}
	l, err := load("f.yaml", []byte(onNode+"credentials: {source_profile: dev}"), src, "linux")
	must(t, err)
	if got := l.Config.AWS.Region; got != "us-west-2" {
		t.Errorf("got %s", got)
	}
}
