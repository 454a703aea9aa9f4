package tree

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

var update = flag.Bool("update", false, "rewrite the values of testdata/paths.yaml and the table of docs/compatibility.md")

const pathsFile = "testdata/paths.yaml"

// pathSpec is an entry of testdata/paths.yaml, which has all paths that EC2 serves.
type pathSpec struct {
	Path string `yaml:"path"`
	// First is the first served version that has the path.
	First string `yaml:"first"`
	// When says what an instance needs to have the path: always, never, override (only by the configuration's metadata), an
	// IPv4 address, or a property of the rich instance that the plain one lacks.
	When string `yaml:"when"`
	// Known says how this is known.
	Known string `yaml:"known"`
	// Value is the answer of the rich instance under latest. Credentials and signatures have none here.
	Value string `yaml:"value,omitempty"`
}

// names replaces the placeholders of pathSpec.Path with names of the rich instance.
var names = strings.NewReplacer("{mac}", richMAC, "{public-ip}", "203.0.113.25", "{role-name}", "myrole", "{N}", "0",
	"{tag-key}", "Name", "ebsN", "ebs1", "ephemeralN", "ephemeral0", "{elastic-gpu-id}", "egpu-0123456789abcdef0",
	"{eia-id}", "eia-bfa21c7904f64a82a21b9f4540169ce1", "{user}/", "ec2-user/", "{key-blob}", "key", "{fingerprint}", "0a1b2c")

// plain returns an instance with default values; rich returns one with all values that configuration keys can set.
func plain() *instance.Instance {
	return instance.New(&config.Instance{
		AWS: config.AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		EC2: config.EC2{
			LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "t3.micro",
			Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled",
			MetadataOptions: config.MetadataOptions{InstanceMetadataTags: "enabled"},
		},
	}, nil)
}

func rich() *instance.Instance {
	return instance.New(&config.Instance{
		Credentials: config.Credentials{IAMRole: "arn:aws:iam::123456789012:role/some/path/myrole"},
		AWS:         config.AWS{AccountID: "123456789012", Region: "us-east-2", AvailabilityZone: "us-east-2b", AvailabilityZoneID: "use2-az3"},
		EC2: config.EC2{
			LocalIPv4: "172.31.44.13", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "m5.large",
			Architecture: "x86_64", LifeCycle: "spot", Monitoring: "enabled", PendingTime: "2026-05-05T10:11:12Z",
			PublicIPv4: "203.0.113.25", IPv6: "2600:1f16:67f:f201::5", MAC: richMAC, AMILaunchIndex: 2,
			SecurityGroups: []string{"default", "web"}, SecurityGroupIDs: []string{"sg-0b07f8f6cb485d4df", "sg-0c18f9a7dc596e5ea"},
			InterfaceID: "eni-0f95d3625f5c521cc", VPCID: "vpc-a07f62c8", SubnetID: "subnet-9d7ba0d1", ReservationID: "r-0efab123456789012",
			Placement:    config.Placement{GroupName: "my-placement-group", HostID: "h-0da999999f9999fb9", PartitionNumber: 1},
			ProductCodes: []string{"3iplms73etrdhxdepv72l6ywj", "1abc2defghijklm3nopqrs4tu"},
			KeyPairs:     []config.KeyPair{{Name: "my-key", PublicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQEXAMPLE my-key"}},
			BlockDevices: map[string]string{"root": "/dev/sda1", "ebs1": "sdb", "ephemeral0": "sdc", "swap": "sda3"},
			Tags:         map[string]string{"Name": "web", "a:b=c@d_e+f-g.h,i": ""},
			NetworkInterfaces: []config.NetworkInterface{{
				DeviceNumber: 1, LocalIPv4s: []string{"172.31.45.70", "172.31.45.71"}, PublicIPv4s: []string{"203.0.113.26"},
				IPv4Prefixes: []string{"172.31.46.16/28"}, IPv6Prefixes: []string{"2600:1f16:67f:f201:1234::/80"},
			}},
			MetadataOptions: config.MetadataOptions{InstanceMetadataTags: "enabled"},
		},
	}, []byte("#!/bin/sh\necho hello\n"))
}

// overridden has the paths that only the configuration's metadata can set.
var overridden = map[string]*string{
	"meta-data/ancestor-ami-ids":                                                    new("ami-11111111\nami-22222222"),
	"meta-data/autoscaling/target-lifecycle-state":                                  new("InService"),
	"meta-data/elastic-gpus/associations/egpu-0123456789abcdef0":                    new("{}"),
	"meta-data/elastic-inference/associations/eia-bfa21c7904f64a82a21b9f4540169ce1": new("{}"),
	"meta-data/events/recommendations/rebalance":                                    new(`{"noticeTime": "2020-10-27T08:22:00Z"}`),
	"meta-data/hibernation/configured":                                              new("false"),
	"meta-data/kernel-id":                                                           new("aki-5c21674b"),
	keyBlob:                                                                         new("ssh-rsa AAAA"),
	"meta-data/managed-ssh-keys/signer-cert":                                        new("-----BEGIN CERTIFICATE-----"),
	"meta-data/managed-ssh-keys/signer-ocsp/0a1b2c":                                 new("MA=="),
	"meta-data/outpost-arn":                                                         new("arn:aws:outposts:us-east-2:123456789012:outpost/op-0123456789abcdef0"),
	"meta-data/ramdisk-id":                                                          new("ari-01bb5768"),
	"meta-data/spot/instance-action":                                                new(`{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`),
	"meta-data/spot/termination-time":                                               new("2015-01-05T18:02:00Z"),
}

const (
	richMAC = "02:29:96:8f:6a:2d"
	// keyBlob is below a directory of testdata/paths.yaml, which does not have the path itself.
	keyBlob = "meta-data/managed-ssh-keys/active-keys/ec2-user/key"
)

// pathInRich returns a spec's path in the rich instance, and whether it is a directory.
func (p *pathSpec) pathInRich() (path string, isDir bool) {
	path = names.Replace(p.Path)
	if strings.HasSuffix(path, "-prefix") { // only the second interface has prefixes
		path = strings.Replace(path, richMAC, rich().Interfaces[1].MAC, 1)
	}
	return strings.TrimSuffix(path, "/"), path == "" || strings.HasSuffix(path, "/")
}

// TestPaths_AreServedSinceTheirVersions looks up each path of testdata/paths.yaml in each version: for an instance without
// anything special, one with everything, and one with the remaining paths added by overrides.
func TestPaths_AreServedSinceTheirVersions(t *testing.T) {
	trees := map[string]*Snapshot{"plain": mustNew(t, plain(), nil), "rich": mustNew(t, rich(), nil), "overridden": mustNew(t, rich(), overridden)}
	for _, spec := range readPaths(t) {
		t.Run(spec.Path, func(t *testing.T) {
			path, isDir := spec.pathInRich()
			for which, s := range trees {
				below := path
				if which == "plain" {
					below = strings.Replace(path, richMAC, plain().Interfaces[0].MAC, 1)
				}
				for v, version := range versions {
					node := s.Lookup(strings.TrimSuffix("/"+version+"/"+below, "/"))
					want := versionIndex(spec.First) <= v && spec.servedBy(which)
					if (node != nil) != want {
						t.Errorf("%s instance, /%s/%s: served %v, want %v (since %s, %s)", which, version, below, node != nil, want, spec.First, spec.When)
					}
					if node != nil && (node.Kind == Listing) != isDir {
						t.Errorf("%s instance, /%s/%s: directory %v, want %v", which, version, below, node.Kind == Listing, isDir)
					}
				}
			}
		})
	}
}

// TestPaths_HaveValues compares the values with testdata/paths.yaml, or writes them there with -update.
func TestPaths_HaveValues(t *testing.T) {
	specs := readPaths(t)
	withoutOverrides, withOverrides := mustNew(t, rich(), nil), mustNew(t, rich(), overridden)
	for i := range specs {
		spec := &specs[i]
		if spec.When == "never" {
			continue
		}
		s := withoutOverrides
		if spec.When == "override" {
			s = withOverrides
		}
		path, _ := spec.pathInRich()
		node := s.Lookup(strings.TrimSuffix("/latest/"+path, "/"))
		if node == nil || node.Kind == Credentials || node.Kind == ExtendedCredentials || node.Kind == Signature {
			continue
		}
		if *update {
			spec.Value = string(node.Body)
		}
		if diff := cmp.Diff(spec.Value, string(node.Body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if *update {
		writePaths(t, specs)
		writeCompatibility(t, specs)
	}
}

func TestPaths_AreAllInTable(t *testing.T) {
	inTable := map[string]bool{keyBlob: true}
	for _, spec := range readPaths(t) {
		path, _ := spec.pathInRich()
		inTable[path] = true
	}
	for path := range mustNew(t, rich(), overridden).nodes {
		second := strings.Contains(path, rich().Interfaces[1].MAC)
		if !inTable[path] && !second && !strings.HasPrefix(path, "meta-data/tags/instance/a:b") {
			t.Errorf("%s is served, but not in %s", path, pathsFile)
		}
	}
}

// servedBy reports whether one of the test's instances has the path.
func (p *pathSpec) servedBy(which string) bool {
	switch p.When {
	case "always", "an IPv4 address":
		return true
	case "never":
		return false
	case "override":
		return which == "overridden"
	default:
		return which != "plain"
	}
}

func readPaths(t *testing.T) []pathSpec {
	t.Helper()
	data, err := os.ReadFile(pathsFile)
	if err != nil {
		t.Fatal(err)
	}
	var specs []pathSpec
	if err := yaml.Unmarshal(data, &specs); err != nil {
		t.Fatal(err)
	}
	if len(specs) < 122 {
		t.Fatalf("%s has %d paths, want at least 122", pathsFile, len(specs))
	}
	return specs
}

func writePaths(t *testing.T, specs []pathSpec) {
	t.Helper()
	out, err := yaml.Marshal(specs)
	if err != nil {
		t.Fatal(err)
	}
	header := "# All paths that EC2 serves below a version, the first served version that has them, and when. paths_test.go checks it.\n" +
		"# Values are those of the test's rich instance: go test ./internal/tree -run Paths -update rewrites them.\n"
	if err := os.WriteFile(pathsFile, append([]byte(header), out...), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	compatibilityFile = "../../docs/compatibility.md"
	tableStart        = "<!-- table of paths: go test ./internal/tree -run Paths -update -->\n"
	tableEnd          = "<!-- end of the table -->\n"
)

// compatibilityTable returns the table of docs/compatibility.md.
func compatibilityTable(specs []pathSpec) string {
	var b strings.Builder
	b.WriteString(tableStart + "\n| path below the version | since | served when | known how |\n|---|---|---|---|\n")
	when := map[string]string{
		"always": "always", "never": "never: see below", "override": "set by `metadata:`", "role": "`credentials.iam_role` is set",
	}
	for _, s := range specs {
		path := s.Path
		if path == "" {
			path = "(the version itself)"
		}
		served, ok := when[s.When]
		if !ok {
			served = "the instance has " + s.When
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", path, s.First, served, s.Known)
	}
	return b.String() + "\n" + tableEnd
}

func writeCompatibility(t *testing.T, specs []pathSpec) {
	t.Helper()
	before, _, after := splitCompatibility(t)
	if err := os.WriteFile(compatibilityFile, []byte(before+compatibilityTable(specs)+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

func splitCompatibility(t *testing.T) (before, table, after string) {
	t.Helper()
	data, err := os.ReadFile(compatibilityFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableStart)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the comments around its table", compatibilityFile)
	}
	return before, tableStart + table + tableEnd, after
}

func TestCompatibilityTable_IsUpToDate(t *testing.T) {
	_, table, _ := splitCompatibility(t)
	if diff := cmp.Diff(compatibilityTable(readPaths(t)), table); diff != "" {
		t.Errorf("%s differs from %s; go test ./internal/tree -run Paths -update (-want +got):\n%s", compatibilityFile, pathsFile, diff)
	}
}

// TestCatalogue_MatchesTable finds misspelt paths.
func TestCatalogue_MatchesTable(t *testing.T) {
	used := map[string]bool{}
	for _, spec := range readPaths(t) {
		path := strings.TrimSuffix(names.Replace(spec.Path), "/")
		if !strings.HasSuffix(spec.Path, "/") && path != "" {
			if got := versions[firstServing(sinceOf(path))]; got != spec.First {
				t.Errorf("%s exists since %s, want %s", path, got, spec.First)
			}
		}
		for pattern := range catalogue {
			if matches(pattern, path) {
				used[pattern] = true
			}
		}
	}
	used["meta-data/managed-ssh-keys/active-keys/*/*"] = true // of keyBlob
	for _, pattern := range slices.Sorted(maps.Keys(catalogue)) {
		if !used[pattern] {
			t.Errorf("%s is in the catalogue, but not in %s", pattern, pathsFile)
		}
	}
}

func matches(pattern, path string) bool {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != "*" && p[i] != q[i] {
			return false
		}
	}
	return true
}

func TestNew_ServesTenThousandTags(t *testing.T) {
	in := plain()
	in.Tags = map[string]string{}
	for i := range 10_000 {
		in.Tags[fmt.Sprintf("tag-%05d", i)] = strings.Repeat("v", 256)
	}
	s := mustNew(t, in, nil)
	if n := s.Lookup("/latest/meta-data/tags/instance/tag-09999"); n == nil || len(n.Body) != 256 {
		t.Errorf("the last tag is %v", n)
	}
	if n := strings.Count(string(s.Lookup("/latest/meta-data/tags/instance").Body), "\n"); n != 9999 {
		t.Errorf("%d tags listed", n+1)
	}
}

func mustNew(t *testing.T, in *instance.Instance, overrides map[string]*string) *Snapshot {
	t.Helper()
	s, err := New(in, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
