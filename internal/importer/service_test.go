package importer

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoInterfaces are the leaves of an instance with invented values.
func twoInterfaces() map[string]string {
	const zero, one = "meta-data/network/interfaces/macs/0a:00:00:00:00:01/", "meta-data/network/interfaces/macs/06:00:00:00:00:02/"
	return map[string]string{
		"meta-data/instance-id": "i-0aaaaaaaaaaaaaaa1", "meta-data/mac": "0a:00:00:00:00:01", "meta-data/local-ipv4": "10.6.0.9",
		"meta-data/placement/availability-zone": "us-west-2-lax-1a", "meta-data/placement/region": "us-west-2",
		zero + "device-number": "0", zero + "local-ipv4s": "10.6.0.9", zero + "owner-id": "012345678901",
		one + "device-number": "1", one + "network-card": "1", one + "local-ipv4s": "10.6.0.20\n10.6.0.21", one + "public-ipv4s": "203.0.113.20",
		one + "ipv4-prefix": "10.6.1.0/28", one + "interface-id": "eni-00000000000000002",
	}
}

func TestService_InterfacesAreDevice0AndOthers(t *testing.T) {
	s := Service{Leaves: twoInterfaces(), Role: "web"}
	got, notes := resultYAML(t, s.Read(Options{}), Options{})
	const want = `credentials:
  iam_role: arn:aws:iam::012345678901:role/web # guessed: the role's path is not in the input
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
aws:
  account_id: "012345678901"
  availability_zone: us-west-2-lax-1a
ec2:
  local_ipv4: 10.6.0.9
  instance_id: i-0aaaaaaaaaaaaaaa1
  mac: 0a:00:00:00:00:01
  network_interfaces:
    - device_number: 1
      network_card: 1
      mac: 06:00:00:00:00:02
      interface_id: eni-00000000000000002
      local_ipv4s: [10.6.0.20, 10.6.0.21]
      public_ipv4s: [203.0.113.20]
      ipv4_prefixes: [10.6.1.0/28]
`
	got = strings.ReplaceAll(got, `"06:00:00:00:00:02"`, "06:00:00:00:00:02")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := []string{"i-0aaaaaaaaaaaaaaa1: note: user-data: not asked for; --user-data takes it over"}; !slices.Equal(notes, want) {
		t.Errorf("notes %q", notes)
	}
}

func TestService_PublicAddressesAreAtMostThePrivateOnes(t *testing.T) {
	const at = "meta-data/network/interfaces/macs/0a:00:00:00:00:01/"
	l := map[string]string{"meta-data/mac": "0a:00:00:00:00:01", at + "device-number": "0", at + "public-ipv4s": "203.0.113.9\n203.0.113.10", at + "public-hostname": "p"}
	for _, locals := range []string{"10.0.0.9", ""} {
		l[at+"local-ipv4s"] = locals
		s := Service{Leaves: l}
		if in := s.Read(Options{}).Instances[0]; in.text("ec2.public_ipv4") != "203.0.113.9" || in.text("ec2.public_hostname") != "p" || in.has("ec2.public_ipv4s") {
			t.Errorf("keys %v", in.Keys)
		}
	}
}

func TestService_Device0HasTheAddressOfTheInstance(t *testing.T) {
	l := twoInterfaces()
	delete(l, "meta-data/network/interfaces/macs/06:00:00:00:00:02/device-number")
	delete(l, "meta-data/network/interfaces/macs/06:00:00:00:00:02/network-card")
	s := Service{Leaves: l}
	if in := s.Read(Options{}).Instances[0]; in.text("ec2.mac") != "0a:00:00:00:00:01" || in.has("ec2.network_interfaces.[0].mac") {
		t.Errorf("keys %v", in.Keys)
	}
}

func TestService_PlaceIsThatOfTheZoneUnlessTheRegionIsAnother(t *testing.T) {
	for _, tc := range []struct{ zone, region, wantZone, wantRegion string }{
		{"us-gov-west-1a", "us-gov-west-1", "us-gov-west-1a", ""},
		{"us-east-1-wl1-bos-wlz-1", "us-east-1", "us-east-1-wl1-bos-wlz-1", ""},
		{"", "cn-north-1", "", "cn-north-1"},
		{"us-east-1a", "eu-west-1", "", "eu-west-1"},
		{"nowhere", "us-iso-east-1", "", "us-iso-east-1"},
		{"us-east-1a", "", "us-east-1a", ""},
	} {
		s := Service{Leaves: map[string]string{"meta-data/placement/availability-zone": tc.zone, "meta-data/placement/region": tc.region}}
		in := s.Read(Options{}).Instances[0]
		if zone, region := in.text("aws.availability_zone"), in.text("aws.region"); zone != tc.wantZone || region != tc.wantRegion {
			t.Errorf("%s in %s: zone %q and region %q", tc.zone, tc.region, zone, region)
		}
	}
}

func TestService_WhatIsNoKeyIsMetadata(t *testing.T) {
	for _, tc := range []struct{ path, value, key string }{
		{"meta-data/instance-life-cycle", "rented", "ec2.life_cycle"},
		{"meta-data/ami-launch-index", "-1", "ec2.ami_launch_index"},
		{"meta-data/block-device-mapping/disk", "/dev/sdz", "ec2.block_devices.disk"},
		{"meta-data/tags/instance/a b", "x", "ec2.tags.a b"},
		{"meta-data/public-keys/1/openssh-key", "ssh-ed25519 AAAA x", "ec2.key_pairs.[0].name"},
		{"meta-data/network/interfaces/macs/0a:00:00:00:00:01/device-number", "7", "ec2.network_interfaces.[0].mac"},
		{"meta-data/placement/partition-number", "3", "ec2.placement.partition_number"},
	} {
		s := Service{Leaves: map[string]string{tc.path: tc.value, "meta-data/mac": "0a:00:00:00:00:01"}}
		in := s.Read(Options{}).Instances[0]
		if in.has(tc.key) {
			t.Errorf("%s is %s", tc.path, tc.key)
		}
		if strings.Contains(tc.path, " ") {
			continue // metadata takes no such path, see the next test
		}
		if got := leafOf(t, in, tc.path); got != tc.value {
			t.Errorf("%s is %q, not %q", tc.path, got, tc.value)
		}
	}
}

func TestService_SecretsAreNeverWritten(t *testing.T) {
	const secret = "ASIAIOSFODNN7EXAMPLE"
	s := Service{Leaves: map[string]string{
		"meta-data/instance-id": "i-1", "meta-data/iam/security-credentials/web": "secret", "meta-data/identity-credentials/ec2/security-credentials/ec2-instance": "secret",
		"meta-data/managed-ssh-keys/signer-cert": "secret", "dynamic/instance-identity/rsa2048": "secret", "dynamic/instance-identity/signature": "secret",
		"meta-data/tags/instance/Key": secret, "meta-data/tags/instance/a b": "x", "meta-data/instance-type": secret, "meta-data/block-device-mapping/ebs1": secret,
		"meta-data/public-keys/0/openssh-key": "ssh-ed25519 " + secret, "meta-data/hostname": secret,
	}, Lost: map[string]string{"meta-data/ami-id": "listed, but not there"}}
	yaml, notes := resultYAML(t, s.Read(Options{}), Options{})
	in := s.Read(Options{}).Instances[0]
	for _, k := range in.Keys {
		if strings.Contains(k.Value.Value, secret) || k.Value.Value == "secret" {
			t.Errorf("%v is written", k.Path)
		}
	}
	if text := yaml + strings.Join(notes, "\n"); strings.Contains(text, secret) {
		t.Errorf("a secret is in\n%s", text)
	}
	for _, want := range []string{
		"i-1: lost: meta-data/ami-id: listed, but not there",
		"i-1: lost: meta-data/tags/instance/Key: looks like a secret",
		"i-1: lost: meta-data/tags/instance/a b: metadata takes no such path",
	} {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q, but %q", want, notes)
		}
	}
}

func TestService_DirectoryCountsBeforeAValueOfItsName(t *testing.T) {
	const dir = "meta-data/elastic-inference/associations"
	for value, want := range map[string][]string{
		"eia-1\neia-2": nil,
		"eia-3":        {"lost: " + dir + ": a value and a directory; it is the directory here"},
	} {
		s := Service{Leaves: map[string]string{dir: value, dir + "/eia-1": "{}", dir + "/eia-2": "{}"}}
		in := s.Read(Options{UserData: true}).Instances[0]
		if leafOf(t, in, dir) != "absent" || leafOf(t, in, dir+"/eia-1") != "{}" {
			t.Errorf("keys %v", in.Keys)
		}
		var notes []string
		for _, n := range in.Notes {
			notes = append(notes, n.String())
		}
		if !slices.Equal(notes, want) {
			t.Errorf("notes %q", notes)
		}
	}
}

func TestService_DocumentIsServedAsItIs(t *testing.T) {
	const doc = `{"accountId": "0123456789x", "imageId": "ami-00000000000000002", "architecture": "arm64"}`
	s := Service{Leaves: map[string]string{"meta-data/ami-id": "ami-00000000000000001", documentLeaf: doc}}
	in := s.Read(Options{UserData: true}).Instances[0]
	if in.text("ec2.image_id") != "ami-00000000000000001" || in.text("ec2.architecture") != "arm64" || leafOf(t, in, documentLeaf) != doc || len(in.Notes) > 0 {
		t.Errorf("keys %v, notes %v", in.Keys, in.Notes)
	}
}

func TestWanted_LeavesOutSecrets(t *testing.T) {
	for path, want := range map[string]bool{
		"meta-data/":                                     true,
		"meta-data/iam/":                                 true,
		"meta-data/iam/info":                             true,
		"meta-data/iam/security-credentials/":            true,
		"meta-data/iam/security-credentials/web":         false,
		"meta-data/iam/security-credentials-extended/":   false,
		"meta-data/identity-credentials/":                false,
		"meta-data/identity-credentials/ec2/info":        false,
		"meta-data/managed-ssh-keys/":                    false,
		"dynamic/instance-identity/":                     true,
		"dynamic/instance-identity/document":             true,
		"dynamic/instance-identity/pkcs7":                false,
		"dynamic/instance-identity/rsa2048":              false,
		"dynamic/instance-identity/signature":            false,
		"meta-data/network/interfaces/macs/x/":           true,
		"meta-data/tags/instance/security-credentials-x": true,
	} {
		if got := Wanted(path); got != want {
			t.Errorf("Wanted(%q) = %t", path, got)
		}
	}
}

func TestCoherent_FollowsEC2sRules(t *testing.T) {
	for _, tc := range []struct {
		name                     string
		addresses, subnets, vpcs []string
		want                     bool
	}{
		{"nothing", nil, nil, nil, true},
		{"an address in both", []string{"10.0.0.9"}, []string{"10.0.0.0/24"}, []string{"10.0.0.0/16"}, true},
		{"an address outside", []string{"10.0.1.9"}, []string{"10.0.0.0/24"}, []string{"10.0.0.0/16"}, false},
		{"an address outside of the VPC", []string{"10.1.0.9"}, nil, []string{"10.0.0.0/16"}, false},
		{"a subnet outside of the VPC", nil, []string{"10.1.0.0/24"}, []string{"10.0.0.0/16"}, false},
		{"a subnet larger than the VPC", nil, []string{"10.0.0.0/15"}, []string{"10.0.0.0/16"}, false},
		{"a second network of the VPC", []string{"10.5.0.9"}, []string{"10.5.0.0/24"}, []string{"10.0.0.0/16", "10.5.0.0/16"}, true},
		{"the fourth address", []string{"10.0.0.3"}, []string{"10.0.0.0/24"}, nil, false},
		{"the fifth address", []string{"10.0.0.4"}, []string{"10.0.0.0/24"}, nil, true},
		{"the last address", []string{"10.0.0.255"}, []string{"10.0.0.0/24"}, nil, false},
		{"the last but one", []string{"10.0.0.254"}, []string{"10.0.0.0/24"}, nil, true},
		{"a tiny subnet", nil, []string{"10.0.0.0/29"}, nil, false},
		{"bits behind the prefix", nil, []string{"10.0.0.1/24"}, nil, false},
		{"no address", []string{"x"}, nil, nil, false},
		{"IPv6", []string{"2001:db8:1:2::3"}, []string{"2001:db8:1:2::/64"}, []string{"2001:db8:1::/56"}, true},
	} {
		if got := coherent(tc.addresses, tc.subnets, tc.vpcs); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

// FuzzRead looks for inputs that make an import panic, and for access keys in its output.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		instanceData, `{"metadata": {"values": {"mac": "x"}}, "spot": {"action": "stop"}, "events": {"not-after": "2026-12-01T02:00:00Z"}}`,
		`{"aemm": {"mockIPCount": 5, "spot": {"action": "stop"}}}`, `{"spec": {"containers": [{"args": ["--base-role-arn=x"]}]}}`,
		`{"ds": {"meta_data": {"public-keys": {"a": ["b"]}, "events": {"maintenance": {"scheduled": "[{}]"}}}}}`, "ec2: {tags: {a: AKIAIOSFODNN7EXAMPLE}}\n",
		`{"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}`,
	} {
		f.Add([]byte(seed), "spot -a stop --node=x TASK_ARN=y")
	}
	f.Fuzz(func(t *testing.T, content []byte, line string) {
		for _, opt := range []Options{{BasePort: 5001}, {BasePort: 5001, As: "aemm", Args: strings.Fields(line)}, {BasePort: 5001, As: "flags", Args: strings.Fields(line)}, {BasePort: 5001, As: "cloud-init", UserData: true}, {BasePort: 5001, As: "config"}} {
			r, err := Read([]Input{{Name: "f", Content: content}}, opt)
			if err != nil {
				continue
			}
			doc, err := r.Merge(opt)
			if err != nil {
				continue
			}
			text, err := YAML(r.Source, doc)
			if err != nil || accessKey.Match(text) && !bytes.Contains(text, []byte("user_data")) {
				t.Errorf("%v, or an access key is written:\n%s", err, text)
			}
			r.AllNotes()
		}
	})
}
