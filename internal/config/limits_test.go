package config

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// Each limit on a length or number has a file just within it and one just beyond.
func TestLoad_EnforcesLimits(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	entries := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: v, ", i)
		}
		return b.String()
	}
	tags := func(n int) string { return "credentials: {session_tags: {" + entries(n) + "}}" }
	addresses := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "10.1.%d.%d, ", i/256, i%256)
		}
		return b.String()
	}
	encoded := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(a(n))) }
	arns := func(n int) string {
		return "credentials: {policy_arns: [" + strings.Repeat("'arn:aws:iam::aws:policy/P', ", n) + "]}"
	}
	const path = "arn:aws:iam::123456789012:role/"
	credential := func(key, value string) string { return fmt.Sprintf("credentials: {%s: '%s'}", key, value) }
	tests := []struct{ name, within, beyond, want string }{
		{
			name:   "role ARN",
			within: credential("iam_role", path+a(2048-len(path)-2)+"/r"),
			beyond: credential("iam_role", path+a(2048-len(path)-1)+"/r"),
			want:   "f.yaml:1: credentials.iam_role: 2049 characters; an ARN has 20 to 2048",
		},
		{
			name:   "role name",
			within: credential("iam_role", path+a(64)),
			beyond: credential("iam_role", path+a(65)),
			want:   `f.yaml:1: credentials.iam_role: "` + path + a(49) + `"... is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`,
		},
		{
			name:   "session tags",
			within: tags(50),
			beyond: tags(51),
			want:   "f.yaml:1: credentials.session_tags: 51 tags; STS takes at most 50",
		},
		{
			name:   "tag key",
			within: "credentials: {session_tags: {? " + a(128) + " : v}}",
			beyond: "credentials: {session_tags: {? " + a(129) + " : v}}",
			want:   "f.yaml:1: credentials.session_tags." + a(129) + ": the tag's key has 129 characters; AWS takes at most 128",
		},
		{
			name:   "tag value",
			within: "credentials: {session_tags: {k: " + strings.Repeat("ä", 256) + "}}",
			beyond: "credentials: {session_tags: {k: " + strings.Repeat("ä", 257) + "}}",
			want:   "f.yaml:1: credentials.session_tags.k: the tag's value has 257 characters; AWS takes at most 256",
		},
		{
			name:   "policy ARNs",
			within: arns(10),
			beyond: arns(11),
			want:   "f.yaml:1: credentials.policy_arns: 11 ARNs; STS takes at most 10",
		},
		{
			name:   "policy",
			within: credential("policy", `"`+a(2046)+`"`),
			beyond: credential("policy", `"`+a(2047)+`"`),
			want:   "f.yaml:1: credentials.policy: 2049 characters; STS takes at most 2048",
		},
		{
			name:   "external id",
			within: credential("external_id", a(1224)),
			beyond: credential("external_id", a(1225)),
			want:   "f.yaml:1: credentials.external_id: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-",
		},
		{
			name:   "instance id",
			within: "ec2: {instance_id: " + a(64) + "}",
			beyond: "ec2: {instance_id: " + a(65) + "}",
			want:   `f.yaml:1: ec2.instance_id: "` + a(65) + `" is not usable as an instance id; it has 2 to 64 of letters, digits and _+=,.@-`,
		},
		{
			name:   "tags",
			within: "ec2: {tags: {" + entries(10_000) + "}}",
			beyond: "ec2: {tags: {" + entries(10_001) + "}}",
			want:   "f.yaml:1: ec2.tags: 10001 tags; at most 10000",
		},
		{
			name:   "tag's key",
			within: "ec2: {tags: {" + a(128) + ": v}}",
			beyond: "ec2: {tags: {? " + a(129) + " : v}}",
			want:   "f.yaml:1: ec2.tags." + a(129) + ": the tag's key has 129 characters; EC2 takes at most 128",
		},
		{
			name:   "tag's value",
			within: "ec2: {tags: {k: " + strings.Repeat("ä", 256) + "}}",
			beyond: "ec2: {tags: {k: " + strings.Repeat("ä", 257) + "}}",
			want:   "f.yaml:1: ec2.tags.k: the tag's value has 257 characters; EC2 takes at most 256",
		},
		{
			name:   "network interfaces",
			within: "ec2: {network_interfaces: [" + strings.Repeat("{},", 64) + "]}",
			beyond: "ec2: {network_interfaces: [" + strings.Repeat("{},", 65) + "]}",
			want:   "f.yaml:1: ec2.network_interfaces: 65 interfaces; at most 64",
		},
		{
			name:   "device number",
			within: "ec2: {network_interfaces: [{device_number: 255, network_card: 255}]}",
			beyond: "ec2: {network_interfaces: [{device_number: 256, network_card: 255}]}",
			want:   "f.yaml:1: ec2.network_interfaces[0].device_number: 256 is not from 0 to 255",
		},
		{
			name:   "addresses",
			within: "ec2: {network_interfaces: [{local_ipv4s: [" + addresses(256) + "]}]}",
			beyond: "ec2: {network_interfaces: [{local_ipv4s: [" + addresses(257) + "]}]}",
			want:   "f.yaml:1: ec2.network_interfaces[0].local_ipv4s: 257 addresses; at most 256",
		},
		{
			name:   "prefixes",
			within: "ec2: {network_interfaces: [{ipv4_prefixes: [" + strings.Repeat("10.0.0.0/28,", 256) + "]}]}",
			beyond: "ec2: {network_interfaces: [{ipv4_prefixes: [" + strings.Repeat("10.0.0.0/28,", 257) + "]}]}",
			want:   "f.yaml:1: ec2.network_interfaces[0].ipv4_prefixes: 257 networks; at most 256",
		},
		{
			name:   "networks",
			within: "ec2: {vpc_ipv4_cidr_blocks: [" + strings.Repeat("10.0.0.0/16,", 256) + "]}",
			beyond: "ec2: {vpc_ipv4_cidr_blocks: [" + strings.Repeat("10.0.0.0/16,", 257) + "]}",
			want:   "f.yaml:1: ec2.vpc_ipv4_cidr_blocks: 257 networks; at most 256",
		},
		{
			name:   "user data",
			within: "ec2: {user_data: " + a(16384) + "}",
			beyond: "ec2: {user_data: " + a(16385) + "}",
			want:   "f.yaml:1: ec2.user_data: 16385 bytes; EC2 takes at most 16384",
		},
		{
			name:   "user data in base64",
			within: "ec2: {user_data_base64: " + encoded(16384) + "}",
			beyond: "ec2: {user_data_base64: " + encoded(16385) + "}",
			want:   "f.yaml:1: ec2.user_data_base64: 16385 bytes; EC2 takes at most 16384",
		},
		{
			name:   "user data in metadata",
			within: "metadata: {user-data: " + a(16384) + "}",
			beyond: "metadata: {user-data: " + a(16385) + "}",
			want:   "f.yaml:1: metadata.user-data: 16385 bytes; EC2 takes at most 16384",
		},
		{
			name:   "key pair",
			within: "ec2: {key_pairs: [{name: " + a(255) + ", public_key: ssh-rsa AAAA}]}",
			beyond: "ec2: {key_pairs: [{name: " + a(256) + ", public_key: ssh-rsa AAAA}]}",
			want:   `f.yaml:1: ec2.key_pairs[0].name: "` + a(80) + `"... is not a key pair's name; it has up to 255 ASCII characters, without / and =`,
		},
		{
			name:   "host name",
			within: "ec2: {public_ipv4: 198.18.0.1, public_hostname: " + a(63) + ".b}",
			beyond: "ec2: {public_ipv4: 198.18.0.1, public_hostname: " + a(64) + ".b}",
			want:   `f.yaml:1: ec2.public_hostname: "` + a(64) + `.b" is not a host name; it has letters, digits and hyphens between dots`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustLoad(t, tt.within, nil, nil)
			_, err := loadText(tt.beyond, nil, nil)
			expectError(t, err, tt.want)
		})
	}
}

func TestLoad_AcceptsEveryKeyOfTheInstance(t *testing.T) {
	l := mustLoad(t, `
aws: {region: us-gov-west-1, availability_zone_id: usgw1-wl1-bos-wlz1, partition: aws-us-gov, domain: amazonaws.com}
ec2:
  local_ipv4: 10.0.0.4
  public_ipv4: 203.0.113.10
  public_hostname: ec2-203-0-113-10.compute-1.amazonaws.com
  ipv6: 2001:db8::1
  mac: 0a:1b:2c:3d:4e:5f
  vpc_ipv4_cidr_blocks: [172.16.0.0/16, 10.0.0.0/16]
  subnet_ipv4_cidr_block: 10.0.0.0/24
  vpc_ipv6_cidr_blocks: ["2001:db8::/56"]
  subnet_ipv6_cidr_blocks: ["2001:db8::/64", "2001:db8:0:1::/64"]
  security_groups: [my group, other]
  security_group_ids: [sg-1, sg-2]
  network_interfaces:
  - mac: 0a:1b:2c:3d:4e:60
    local_ipv4s: [10.0.0.5, 10.0.0.254]
    public_ipv4s: [203.0.113.11, 203.0.113.12]
    public_hostname: a.b
    ipv6s: ["2001:db8:0:1::1"]
    ipv4_prefixes: [10.0.0.16/28]
    ipv6_prefixes: ["2001:db8:0:1:1::/80"]
  - {device_number: 0, network_card: 1, public_ipv4s: [203.0.113.13]}
  - {vpc_id: vpc-2, subnet_ipv4_cidr_block: 192.168.0.0/28, local_ipv4s: [192.168.0.14]}
  - {subnet_id: subnet-2, local_ipv4s: [172.16.0.1]}
  - {subnet_ipv6_cidr_blocks: ["2001:db8:0:2::/64"], ipv6s: ["2001:db8:0:2::9"]}
  life_cycle: spot
  monitoring: enabled
  placement: {group_name: my group, partition_number: 7, host_id: h-1}
  key_pairs:
  - {name: my key (1), public_key: ssh-ed25519 AAAA}
  - {name: k, public_key: 'sk-ecdsa-sha2-nistp256@openssh.com  AAAA+/8= me @ home'}
  - {name: l, public_key: 'ecdsa-sha2-nistp521 AAAA== '}
  block_devices: {ami: /dev/xvda, root: /dev/xvda, swap: sda3, ebs1: sdb, ephemeral0: sdc, ephemeral10: sdd}
  tags: {Name: "a b/ä\\n", empty: "", "a:b+c=d.e,f_g@h-i": "1"}
  metadata_options: {http_put_response_hop_limit: 1}
metadata: {meta-data/ami-id: ami-1, meta-data/mac: ~, dynamic/a: b, meta-data/iam/info: x, user-data: y}
`, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings %q", l.Warnings)
	}
}
