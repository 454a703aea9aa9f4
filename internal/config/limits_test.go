package config

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLimits holds each limit on a length or number: what is just within it loads, one more does not.
func TestLimits(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	tags := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: v, ", i)
		}
		return "credentials: {session_tags: {" + b.String() + "}}"
	}
	arns := func(n int) string {
		return "credentials: {policy_arns: [" + strings.Repeat("'arn:aws:iam::aws:policy/P', ", n) + "]}"
	}
	const path = "arn:aws:iam::123456789012:role/"
	credential := func(key, value string) string { return fmt.Sprintf("credentials: {%s: '%s'}", key, value) }
	tests := []struct{ name, good, bad, want string }{
		{
			"role ARN", credential("iam_role", path+a(2048-len(path)-2)+"/r"),
			credential("iam_role", path+a(2048-len(path)-1)+"/r"), "f.yaml:1: credentials.iam_role: 2049 characters; an ARN has 20 to 2048",
		},
		{
			"role name", credential("iam_role", path+a(64)),
			credential("iam_role", path+a(65)), `f.yaml:1: credentials.iam_role: "` + path + a(49) + `"... is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`,
		},
		{"session tags", tags(50), tags(51), "f.yaml:1: credentials.session_tags: 51 tags; STS takes at most 50"},
		{
			"tag key", "credentials: {session_tags: {? " + a(128) + " : v}}", "credentials: {session_tags: {? " + a(129) + " : v}}",
			"f.yaml:1: credentials.session_tags." + a(129) + ": the tag's key has 129 characters; AWS takes 1 to 128",
		},
		{
			"tag value", "credentials: {session_tags: {k: " + strings.Repeat("ä", 256) + "}}", "credentials: {session_tags: {k: " + strings.Repeat("ä", 257) + "}}",
			"f.yaml:1: credentials.session_tags.k: the tag's value has 257 characters; AWS takes 0 to 256",
		},
		{"policy ARNs", arns(10), arns(11), "f.yaml:1: credentials.policy_arns: 11 ARNs; STS takes at most 10"},
		{
			"policy", credential("policy", `"`+a(2046)+`"`), credential("policy", `"`+a(2047)+`"`),
			"f.yaml:1: credentials.policy: 2049 characters; STS takes at most 2048",
		},
		{
			"external id", credential("external_id", a(1224)), credential("external_id", a(1225)),
			"f.yaml:1: credentials.external_id: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-",
		},
		{
			"instance id", "ec2: {instance_id: " + a(64) + "}", "ec2: {instance_id: " + a(65) + "}",
			`f.yaml:1: ec2.instance_id: "` + a(65) + `" is not usable as an instance id; it has 2 to 64 of letters, digits and _+=,.@-`,
		},
		{
			"host name", "ec2: {hostname: " + a(63) + ".b}", "ec2: {hostname: " + a(64) + ".b}",
			`f.yaml:1: ec2.hostname: "` + a(64) + `.b" is not a host name; it has letters, digits and hyphens between dots`,
		},
	}
	for _, tt := range tests {
		if _, err := loadText(tt.good, nil, nil); err != nil {
			t.Errorf("%s, within: %v", tt.name, err)
		}
		if _, err := loadText(tt.bad, nil, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%s, beyond: got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

// TestUserDataLimit looks at the rules alone, because the keys are not supported yet.
func TestUserDataLimit(t *testing.T) {
	data := strings.Repeat("x", maxUserData)
	for _, encode := range []func(string) (rule, string){
		func(s string) (rule, string) { return userData, s },
		func(s string) (rule, string) { return userDataBase64, base64.StdEncoding.EncodeToString([]byte(s)) },
	} {
		if r, s := encode(data); r(s) != "" {
			t.Errorf("within: %s", r(s))
		}
		if r, s := encode(data + "x"); r(s) != "16385 bytes; EC2 takes at most 16384" {
			t.Errorf("beyond: %s", r(s))
		}
	}
}

func TestRulesForUnsupportedKeysLetGoodValuesThrough(t *testing.T) {
	content := `
credentials: {mfa_serial: "arn:aws:iam::123456789012:mfa/me"}
aws: {availability_zone_id: usw2-lax1-az1, partition: aws-us-gov, domain: amazonaws.com}
ec2:
  public_ipv4: 203.0.113.10
  ipv6: 2001:db8::1
  mac: 0a:1b:2c:3d:4e:5f
  vpc_ipv4_cidr_blocks: [10.0.0.0/8]
  vpc_ipv6_cidr_blocks: ["2001:db8::/56"]
  security_groups: [my group]
  network_interfaces: [{mac: 0a:1b:2c:3d:4e:60, ipv4_prefixes: [10.0.0.16/28]}]
  life_cycle: spot
  key_pairs: [{name: k, public_key: ssh-ed25519 AAAA}]
  block_devices: {ami: /dev/xvda, ebs1: sdb}
  tags: {Name: "a b/ä"}
  user_data_base64: aGVsbG8=
metadata: {meta-data/ami-id: ami-1, meta-data/mac: ~}
server: {allow_clients: ["10.0.0.0/8", "fd00::/8"], allow_hosts: [metadata.example.com], user: "1000"}
`
	_, err := loadText(content, nil, nil)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasSuffix(line, ": "+unsupportedText) {
			t.Error(line)
		}
	}
}

func TestWarnings(t *testing.T) {
	const odd = "an instance has one of its VPC, e.g. 10.0.0.10"
	tests := map[string]string{
		"ec2: {local_ipv4: 0.0.0.0}":                   "f.yaml:1: ec2.local_ipv4: 0.0.0.0 is no instance's address; " + odd,
		"ec2: {local_ipv4: 224.0.0.1}":                 "f.yaml:1: ec2.local_ipv4: 224.0.0.1 is a multicast address; " + odd,
		"ec2: {local_ipv4: 127.0.0.2}":                 "f.yaml:1: ec2.local_ipv4: 127.0.0.2 is a loopback address; " + odd,
		"ec2: {instance_type: large}":                  `f.yaml:1: ec2.instance_type: "large" is not an instance type as EC2 names them, e.g. t3.nano`,
		"ec2: {image_id: ami-1}":                       `f.yaml:1: ec2.image_id: "ami-1" is not an image id as EC2 gives them, ami- and 17 hexadecimal digits`,
		"ec2: {instance_id: i-1}":                      `f.yaml:1: ec2.instance_id: "i-1" is not an instance id as EC2 gives them, i- and 17 hexadecimal digits`,
		"aws: {account_id: 1}":                         `f.yaml:1: aws.account_id: "1" is not an account id as AWS gives them, of 12 digits`,
		"ec2: {instance_id: i-0a1b2c3d}":               "",
		"ec2: {instance_type: u-6tb1.112xlarge}":       "",
		"credentials: {mock: true, source_profile: p}": "f.yaml:1: credentials.source_profile: not used: credentials.mock is true, so nothing is called and the credentials are made up",
	}
	for content, want := range tests {
		if diff := cmp.Diff(want, strings.Join(mustLoad(t, content, nil, nil).Warnings, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", content, diff)
		}
	}
}
