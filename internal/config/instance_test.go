package config

import (
	"strings"
	"testing"
)

// TestBadInstances has one file for each rule about what is in or at the instance.
func TestBadInstances(t *testing.T) {
	const badKey = " is not a public key of OpenSSH; write one line such as ssh-ed25519 AAAA... comment"
	const badName = " is not a key pair's name; it has up to 255 ASCII characters, without / and ="
	for _, b := range []bad{
		{"partition without group", `
ec2: {placement: {partition_number: 1}}`, `
f.yaml:1: ec2.placement.partition_number: needs ec2.placement.group_name: only placement groups have partitions`},
		{"host_id", `
ec2: {placement: {host_id: h 1}}`, `
f.yaml:1: ec2.placement.host_id: "h 1" holds a space or a control character`},
		{"key pair without name", `
ec2:
  key_pairs:
  - public_key: ssh-ed25519 AAAA
    name: ""
  - {}`, `
f.yaml:3: ec2.key_pairs[0].name: is missing
f.yaml:5: ec2.key_pairs[1].name: is missing
f.yaml:5: ec2.key_pairs[1].public_key: is missing`},
		{"key pair with a name that does not fit", `
ec2:
  key_pairs:
  - {name: a/b, public_key: ssh-rsa AAAA}
  - {name: a=b, public_key: ssh-rsa AAAA}
  - {name: "a\nb", public_key: ssh-rsa AAAA}
  - {name: " a", public_key: ssh-rsa AAAA}
  - {name: ä, public_key: ssh-rsa AAAA}`, `
f.yaml:3: ec2.key_pairs[0].name: "a/b"` + badName + `
f.yaml:4: ec2.key_pairs[1].name: "a=b"` + badName + `
f.yaml:5: ec2.key_pairs[2].name: "a\nb"` + badName + `
f.yaml:6: ec2.key_pairs[3].name: " a"` + badName + `
f.yaml:7: ec2.key_pairs[4].name: "ä"` + badName},
		{"key pair twice", `
ec2: {key_pairs: [{name: a, public_key: ssh-rsa AAAA}, {name: a, public_key: ssh-rsa AAAA}]}`, `
f.yaml:1: ec2.key_pairs[1].name: a is that of ec2.key_pairs[0].name too`},
		{"public keys", `
ec2:
  key_pairs:
  - {name: a, public_key: AAAA}
  - {name: b, public_key: "ssh-rsa AAAA\nssh-rsa AAAB"}
  - {name: c, public_key: "-----BEGIN PUBLIC KEY-----"}
  - {name: d, public_key: ssh-rsa B3Nz}`, `
f.yaml:3: ec2.key_pairs[0].public_key: "AAAA"` + badKey + `
f.yaml:4: ec2.key_pairs[1].public_key: "ssh-rsa AAAA\nssh-rsa AAAB"` + badKey + `
f.yaml:5: ec2.key_pairs[2].public_key: "-----BEGIN PUBLIC KEY-----"` + badKey + `
f.yaml:6: ec2.key_pairs[3].public_key: "ssh-rsa B3Nz"` + badKey},
		{"block devices", `
ec2:
  block_devices:
    ebs0: sdb
    ebs1: ""
    ephemeral00: sdc
    swap: a b`, `
f.yaml:3: ec2.block_devices.ebs0: "ebs0" is not a block device; the names are ami, root, swap, ebsN and ephemeralN
f.yaml:4: ec2.block_devices.ebs1: no device; write e.g. /dev/xvda
f.yaml:5: ec2.block_devices.ephemeral00: "ephemeral00" is not a block device; the names are ami, root, swap, ebsN and ephemeralN
f.yaml:6: ec2.block_devices.swap: "a b" holds a space or a control character`},
	} {
		b.check(t)
	}
}

func TestManyTags(t *testing.T) {
	set := make([]string, 51)
	for i := range set {
		set[i] = "ec2.tags.k" + strings.Repeat("x", i) + "=v"
	}
	if l := mustLoad(t, "", nil, set[:50]); len(l.Warnings) > 0 {
		t.Errorf("50 tags: %q", l.Warnings)
	}
	l := mustLoad(t, "", nil, set)
	if want := "--set ec2.tags: 51 tags; EC2 takes at most 50"; len(l.Warnings) != 1 || l.Warnings[0] != want {
		t.Errorf("51 tags: got %q, want %q", l.Warnings, want)
	}
}

// TestTagKeysOutsideMetadata has keys that only the metadata cannot hold.
func TestTagKeysOutsideMetadata(t *testing.T) {
	mustLoad(t, "ec2: {tags: {a b: c, _index: d, e/f: g}, metadata_options: {instance_metadata_tags: disabled}}", nil, nil)
}

func TestHopLimitNeedsLinux(t *testing.T) {
	const content = "ec2: {metadata_options: {http_put_response_hop_limit: 2}}"
	_, err := load("f.yaml", []byte(content), Sources{}, "darwin")
	const want = "f.yaml:1: ec2.metadata_options.http_put_response_hop_limit: 2 needs Linux, and this is darwin; leave it at 64, no limit"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	mustLoad(t, content, nil, nil)
	if _, err := load("f.yaml", []byte(strings.Replace(content, ": 2}", ": 64}", 1)), Sources{}, "darwin"); err != nil {
		t.Errorf("no limit: %v", err)
	}
}

func TestPartitionOf(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws", "us-west-2": "aws", "eu-central-1": "aws", "ap-southeast-2": "aws", "cn-north-1": "aws-cn", "us-gov-east-1": "aws-us-gov",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f",
		"eusc-de-east-1": "aws-eusc", "ca-central-1": "aws",
	} {
		if got := Partition(region); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
}
