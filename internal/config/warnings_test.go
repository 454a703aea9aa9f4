package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarnings_NameValuesThatEC2WouldNeverHave(t *testing.T) {
	const odd = "an instance has one of its VPC, e.g. 10.0.0.10"
	for content, want := range map[string]string{
		"ec2: {local_ipv4: 0.0.0.0}":                 "f.yaml:1: ec2.local_ipv4: 0.0.0.0 is no instance's address; " + odd,
		"ec2: {local_ipv4: 224.0.0.1}":               "f.yaml:1: ec2.local_ipv4: 224.0.0.1 is a multicast address; " + odd,
		"ec2: {local_ipv4: 127.0.0.2}":               "f.yaml:1: ec2.local_ipv4: 127.0.0.2 is a loopback address; " + odd,
		"ec2: {instance_type: large}":                `f.yaml:1: ec2.instance_type: "large" is not an instance type as EC2 names them, e.g. t3.nano`,
		"ec2: {image_id: ami-1}":                     `f.yaml:1: ec2.image_id: "ami-1" is not an image id as EC2 gives them, ami- and 17 hexadecimal digits`,
		"ec2: {instance_id: i-1}":                    `f.yaml:1: ec2.instance_id: "i-1" is not an instance id as EC2 gives them, i- and 17 hexadecimal digits`,
		"aws: {account_id: 1}":                       `f.yaml:1: aws.account_id: "1" is not an account id as AWS gives them, of 12 digits`,
		"ec2: {instance_id: i-0a1b2c3d}":             "",
		"ec2: {instance_type: u-6tb1.112xlarge}":     "",
		"ec2: {public_ipv4: 10.0.0.1}":               "f.yaml:1: ec2.public_ipv4: 10.0.0.1 is not a public address",
		"ec2: {public_ipv4: 127.0.0.1}":              "f.yaml:1: ec2.public_ipv4: 127.0.0.1 is not a public address",
		"ec2: {vpc_ipv4_cidr_blocks: [10.0.0.0/15]}": "f.yaml:1: ec2.vpc_ipv4_cidr_blocks: 10.0.0.0/15 is not of a size that AWS makes, /16 to /28",
		"ec2: {subnet_ipv4_cidr_block: 10.0.0.0/29}": "f.yaml:1: ec2.subnet_ipv4_cidr_block: 10.0.0.0/29 is not of a size that AWS makes, /16 to /28",
		"ec2: {network_interfaces: [{local_ipv4s: [127.0.0.1], public_ipv4s: [192.168.0.1]}]}": "f.yaml:1: ec2.network_interfaces[0].local_ipv4s: 127.0.0.1 is a loopback address; " + odd +
			"\nf.yaml:1: ec2.network_interfaces[0].public_ipv4s: 192.168.0.1 is not a public address",
		"aws: {region: cn-north-1, partition: aws}":                                "f.yaml:1: aws.partition: aws is not the partition of aws.region cn-north-1, which is in aws-cn",
		"aws: {region: us-isob-east-1, partition: aws}":                            "f.yaml:1: aws.partition: aws is not the partition of aws.region us-isob-east-1, which is in aws-iso-b",
		"aws: {region: us-east-1, partition: aws-us-gov}":                          "f.yaml:1: aws.partition: aws-us-gov is not the partition of aws.region us-east-1, which is in aws",
		"aws: {region: eusc-de-east-1, partition: aws-eusc}":                       "",
		"credentials: {cache: disk, iam_role: 'arn:aws:iam::123456789012:role/r'}": "",
		"credentials: {cache: disk, source_profile: p}":                            "f.yaml:1: credentials.cache: without effect: only a role's credentials are kept, and credentials.iam_role is not set",
		"credentials: {cache: disk, mock: true}":                                   "f.yaml:1: credentials.cache: without effect: credentials.mock is true, and made-up credentials are not kept",
		"credentials: {mock: true, source_profile: p}":                             "f.yaml:1: credentials.source_profile: not used: credentials.mock is true, so nothing is called and the credentials are made up",
		"ec2: {architecture: amd64, hostname: my_host}": `f.yaml:1: ec2.architecture: "amd64" is not one of i386, x86_64, arm64, x86_64_mac, arm64_mac` + "\n" +
			`f.yaml:1: ec2.hostname: "my_host" is not a host name; it has letters, digits and hyphens between dots`,
	} {
		t.Run(content, func(t *testing.T) {
			if diff := cmp.Diff(want, strings.Join(mustLoad(t, content, nil, nil).Warnings, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings_NameKeysThatOnlyARoleUses(t *testing.T) {
	expectWarnings(t, "credentials:\n  source_profile: default\n  session_tags: {a: b}\n  policy: \"{}\"\n  policy_arns: []\n",
		"f.yaml:3: credentials.session_tags: without effect: only a role takes it, and credentials.iam_role is not set",
		"f.yaml:4: credentials.policy: without effect: only a role takes it, and credentials.iam_role is not set",
	)
}

func TestWarnings_CompareTheRoleWithAccountAndRegion(t *testing.T) {
	expectWarnings(t, "credentials: {iam_role: 'arn:aws:iam::123456789012:role/r'}\naws: {account_id: '210987654321', region: cn-north-1}\n",
		"f.yaml:1: credentials.iam_role: the role is of account 123456789012 and the instance of aws.account_id 210987654321; EC2 has both in one",
		"f.yaml:1: credentials.iam_role: the role is of partition aws, but aws.region cn-north-1 is in aws-cn",
	)
}

func TestWarnings_CountTags(t *testing.T) {
	set := make([]string, 51)
	for i := range set {
		set[i] = "ec2.tags.k" + strings.Repeat("x", i) + "=v"
	}
	if l := mustLoad(t, "", nil, set[:50]); len(l.Warnings) > 0 {
		t.Errorf("50 tags: %q", l.Warnings)
	}
	if l := mustLoad(t, "", nil, set); !slices.Equal(l.Warnings, []string{"--set ec2.tags: 51 tags; EC2 takes at most 50"}) {
		t.Errorf("51 tags: %q", l.Warnings)
	}
}
