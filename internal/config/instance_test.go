package config

import "testing"

func TestLoad_RefusesContradictingInstances(t *testing.T) {
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

func TestLoad_AcceptsTagKeysThatMetadataDoesNotServe(t *testing.T) {
	mustLoad(t, "ec2: {tags: {a b: c, _index: d, e/f: g}, metadata_options: {instance_metadata_tags: disabled}}", nil, nil)
}

func TestLoad_HopLimitNeedsLinux(t *testing.T) {
	const content = "ec2: {metadata_options: {http_put_response_hop_limit: 2}}"
	mustLoad(t, content, nil, nil)
	_, err := load("f.yaml", []byte(content), Sources{}, "darwin")
	expectError(t, err, "f.yaml:1: ec2.metadata_options.http_put_response_hop_limit: 2 needs Linux, and this is darwin; leave it at 64, no limit")
}

func TestLoad_NoHopLimitNeedsNoLinux(t *testing.T) {
	_, err := load("f.yaml", []byte("ec2: {metadata_options: {http_put_response_hop_limit: 64}}"), Sources{}, "darwin")
	must(t, err)
}
