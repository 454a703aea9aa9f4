package cli

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/importer"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// randomLeaves makes the values of a service, which may be missing, odd, or contradict each other.
func randomLeaves(random *rand.Rand) map[string]string {
	all := map[string]string{}
	set := func(path string, values ...string) {
		if random.IntN(4) > 0 {
			all[path] = pick(random, values...)
		}
	}
	address := func() string {
		return pick(random, "10.0.0.5", "172.16.34.43", "192.0.2.7", "10.0.0.1", "x", "10.0.0.5\n10.0.0.6")
	}
	set("meta-data/ami-id", "ami-0a887e401f7654935", "ami-x")
	set("meta-data/ami-launch-index", "0", "7", "x")
	set("meta-data/hostname", "ip-10-0-0-5.eu-west-1.compute.internal", "h", "h.example.com", "a b")
	set("meta-data/local-hostname", "h", "h.example.com")
	set("meta-data/instance-id", "i-1234567890abcdef0", "i-x", "no id")
	set("meta-data/instance-life-cycle", "on-demand", "spot", "odd")
	set("meta-data/instance-type", "m4.large", "m6g.large", "x")
	set("meta-data/local-ipv4", address())
	set("meta-data/public-ipv4", "203.0.113.9", "203.0.113.10", "x")
	set("meta-data/public-hostname", "p.example.com", "")
	set("meta-data/ipv6", "2001:db8:1:2::5", "x")
	set("meta-data/placement/availability-zone", "us-east-1a", "eu-west-1b", "us-west-2-lax-1a", "cn-north-1a", "nowhere")
	set("meta-data/placement/availability-zone-id", "use1-az4", "x")
	set("meta-data/placement/region", "us-east-1", "eu-west-1", "nowhere")
	set("meta-data/placement/group-name", "g", "g h")
	set("meta-data/placement/partition-number", "0", "2", "900")
	set("meta-data/product-codes", "a", "a\nb", "")
	set("meta-data/services/domain", "amazonaws.com", "example.com")
	set("meta-data/services/partition", "aws", "aws-x")
	set("meta-data/security-groups", "default", "a\nb", "")
	set("meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me\n", "no key")
	set("meta-data/tags/instance/Name", "x", "null", " y ", "a\nb")
	set("meta-data/block-device-mapping/ami", "xvda", "/dev/sda1", "a b")
	set("meta-data/block-device-mapping/odd", "xvda")
	set("meta-data/odd/a.b", "", "x", "\x01", "☃\n")
	set("dynamic/fws/instance-monitoring", "enabled", "disabled", "x")
	set("dynamic/instance-identity/document", "{}", `{"instanceId": "i-0aaaaaaaaaaaaaaa1", "privateIp": "10.1.1.1", "region": "eu-west-1", "architecture": "arm64"}`, "no document")
	macs := []string{"0a:00:00:00:00:01", "0a:00:00:00:00:02", "0a:00:00:00:00:03", "odd"}
	if random.IntN(4) > 0 {
		all["meta-data/mac"] = pick(random, macs...)
	}
	for i, mac := range macs[:random.IntN(len(macs)+1)] {
		at := "meta-data/network/interfaces/macs/" + mac + "/"
		set(at+"device-number", fmt.Sprint(i), "0", "1", "x")
		set(at+"network-card", "0", "1", "x")
		set(at+"mac", mac, macs[0])
		set(at+"local-ipv4s", address())
		set(at+"public-ipv4s", "203.0.113.9", "203.0.113.9\n203.0.113.10")
		set(at+"public-hostname", "p.example.com")
		set(at+"local-hostname", "h", "h.example.com")
		set(at+"ipv6s", "2001:db8:1:2::5", "2001:db8:1:2::5\n2001:db8:9::6", "")
		set(at+"interface-id", "eni-0f95d3625f5c521cc", "x")
		set(at+"owner-id", "515336597381", "x")
		set(at+"security-groups", "default", "a\nb")
		set(at+"security-group-ids", "sg-0b07f8f6cb485d4df", "sg-1\nsg-2")
		set(at+"subnet-id", "subnet-0ac62554", "x")
		set(at+"vpc-id", "vpc-d295a6a7")
		set(at+"subnet-ipv4-cidr-block", "10.0.0.0/24", "192.0.2.0/24", "10.0.0.0/29", "x")
		set(at+"vpc-ipv4-cidr-block", "10.0.0.0/16", "192.0.2.0/24")
		set(at+"vpc-ipv4-cidr-blocks", "10.0.0.0/16", "10.1.0.0/16\n10.0.0.0/16", "192.0.2.0/24")
		set(at+"subnet-ipv6-cidr-blocks", "2001:db8:1:2::/64", "2001:db8::/32")
		set(at+"vpc-ipv6-cidr-blocks", "2001:db8:1::/56", "2001:db8::/32")
		set(at+"ipv4-prefix", "10.0.0.64/28", "10.0.0.5/32", "x")
		set(at+"ipv6-prefix", "2001:db8:1:2:3::/80", "x")
		set(at+"ipv4-associations/203.0.113.9", "10.0.0.5", "x")
		set(at+"network-card-index", "0")
	}
	return all
}

// servedBy returns the values of a configuration, by path below the version, but for signatures and credentials.
func servedBy(t *testing.T, text []byte) map[string]string {
	t.Helper()
	loaded, err := config.Load(config.Sources{Text: text})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := checkImport(text, nil); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	own, userData := loaded.InstanceOf(-1, &loaded.Config.Credentials)
	snapshot, err := tree.New(instance.New(&own, userData), own.Metadata)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	all := map[string]string{}
	for _, path := range snapshot.Paths() {
		path = strings.TrimPrefix(path, "/latest/")
		if path != "" && !strings.HasSuffix(path, "/") && importer.Wanted(path) {
			all[path] = string(snapshot.Lookup("/latest/" + path).Body)
		}
	}
	all["dynamic/instance-identity/document"] = string(snapshot.Document())
	return all
}

// TestImport_AnyServiceIsServedAlike reads services that no EC2 would be: each value has to be a key or metadata.
func TestImport_AnyServiceIsServedAlike(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 21))
		want := randomLeaves(random)
		c := &imdsCrawler{read: map[string]bool{"meta-data/": true, "dynamic/": true}, found: importer.Service{Leaves: want, KeyNames: map[int]string{0: "my key"}, Lost: map[string]string{}}}
		result := c.found.Read(importer.Options{})
		if err := fit(result, importer.Options{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := removeOthers(result.Instances[0], c); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := prune(result.Instances); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		removed := ""
		for _, k := range result.Instances[0].Keys {
			switch {
			case k.Path[0] != "metadata" || k.Value.Tag != "!!null":
			case removed != "" && strings.HasPrefix(k.Path[1], removed+"/"):
				t.Errorf("seed %d: %s is removed with its directory", seed, k.Path[1])
			default:
				removed = k.Path[1]
			}
		}
		document, err := result.Merge(importer.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		text, err := importer.YAML(result.Source, document)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got := servedBy(t, text)
		for _, path := range slices.Sorted(maps.Keys(want)) {
			value, has := got[path]
			if !has || value != want[path] {
				t.Errorf("seed %d: %s is %q, not %q", seed, path, value, want[path])
			}
			delete(got, path)
		}
		for path := range got {
			if !strings.HasPrefix(path, "dynamic/instance-identity/") {
				t.Errorf("seed %d: %s is too much", seed, path)
			}
		}
		if t.Failed() {
			t.Fatalf("%s\n%q", text, result.AllNotes())
		}
	}
}

// servedAlike imports a file, and checks that each value of it that became metadata is served. It returns these.
func servedAlike(t *testing.T, in importer.Input) map[string]string {
	t.Helper()
	result, err := importer.Read([]importer.Input{in}, importer.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, in.Content)
	}
	want := map[string]string{}
	for _, k := range result.Instances[0].Keys {
		if k.Path[0] == "metadata" {
			want[k.Path[1]] = k.Value.Value
		}
	}
	if err := fit(result, importer.Options{}); err != nil {
		t.Fatalf("%v\n%s", err, in.Content)
	}
	if err := prune(result.Instances); err != nil {
		t.Fatalf("%v\n%s", err, in.Content)
	}
	document, err := result.Merge(importer.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, in.Content)
	}
	text, err := importer.YAML(result.Source, document)
	if err != nil {
		t.Fatal(err)
	}
	got := servedBy(t, text)
	for path, value := range want {
		if have, ok := got[path]; !ok || have != value {
			t.Errorf("%s is %q, not %q, by\n%s\nof %s", path, have, value, text, in.Content)
		}
	}
	return want
}

func TestImport_AnyInstanceDataIsServedAlike(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 22))
		leaves := randomLeaves(random)
		meta := map[string]any{}
		for path, value := range leaves {
			rest, ok := strings.CutPrefix(path, "meta-data/")
			if !ok || strings.HasPrefix(rest, "public-keys/") {
				continue
			}
			dir, parts := meta, strings.Split(rest, "/")
			for _, name := range parts[:len(parts)-1] {
				if dir[name] == nil {
					dir[name] = map[string]any{}
				}
				dir = dir[name].(map[string]any)
			}
			dir[parts[len(parts)-1]] = value
		}
		want := servedAlike(t, jsonInput(t, "all.json", map[string]any{"ds": map[string]any{"meta-data": meta}, "v1": map[string]any{"cloud-name": "aws"}}))
		for path, value := range leaves {
			if strings.HasPrefix(path, "meta-data/") && !strings.Contains(path, "public-keys/") && value != "" && want[path] != value {
				t.Errorf("%s is %q, not %q", path, want[path], value)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestImport_AnySettingsOfAEMMAreServedAlike(t *testing.T) {
	names := strings.Fields("mac-interface-id mac-network-interface-id mac-subnet-id mac-vpc-id mac-owner-id mac-device-number mac-network-interface-card-index mac-mac public-ipv4 hostname instance-id")
	pools := map[string][]string{
		"local-ipv4": {"10.0.0.5", "192.0.2.7", "x"}, "mac-local-ipv4s": {"10.0.0.5", "10.0.0.6"}, "mac-public-ipv4s": {"203.0.113.9", "x"}, "public-ipv4": {"203.0.113.9", "203.0.113.8"},
		"mac-public-hostname": {"p"}, "mac-ipv6-associations": {"2001:db8:1:2::5", "x"}, "mac-vpc-ipv4-cidr-block": {"10.0.0.0/16", "192.0.2.0/24", "x"},
		"mac-vpc-ipv4-cidr-blocks": {"10.0.0.0/16", "192.0.2.0/24"}, "mac-subnet-ipv4-cidr-block": {"10.0.0.0/24", "192.0.2.0/24"}, "mac-subnet-ipv6-cidr-blocks": {"2001:db8:1:2::/64", "2001:db8::/32"},
		"mac-vpc-ipv6-cidr-blocks": {"2001:db8:1::/56"}, "mac-security-groups": {"a", "b"}, "mac-security-group-ids": {"sg-1", "sg-2"}, "security-groups": {"a", "c"},
		"placement-availability-zone": {"eu-west-1b", "us-east-1a"}, "placement-region": {"us-east-1", "x"}, "placement-partition-number": {"2", "x"}, "placement-group-name": {"g"},
		"services-partition": {"aws", "aws-x"}, "tags-instance-name": {"null", ""}, "public-hostname": {"p", "q"}, "mac-ipv4-associations": {"10.0.0.5"},
	}
	for _, name := range names {
		if pools[name] == nil {
			pools[name] = []string{"1", "x"}
		}
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 23))
		values := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(pools)) {
			if random.IntN(3) == 0 {
				values[name] = pick(random, pools[name]...)
			}
		}
		if random.IntN(2) == 0 {
			values["mac"] = pick(random, "0a:00:00:00:00:01", "odd")
		}
		servedAlike(t, jsonInput(t, "aemm.json", map[string]any{"metadata": map[string]any{"values": values}}))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
