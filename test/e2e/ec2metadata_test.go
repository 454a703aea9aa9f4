//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEC2Metadata_ToolsPrintAFullInstance compares all that two tools print: Amazon's ec2-metadata and Ubuntu's ec2metadata. They
// print "not available" and "unavailable" only for what the instance does not have.
func TestEC2Metadata_ToolsPrintAFullInstance(t *testing.T) {
	needFile(t, "/usr/bin/ec2-metadata", "amazon-ec2-utils")
	needFile(t, "/usr/bin/ec2metadata", "cloud-guest-utils")
	site := newSite(t, serviceIPv4)
	site.serve(t, mockHome(t, instance+requireTokens), listenIPv4)
	site.prints(t, amazonAll, "/usr/bin/ec2-metadata", "--all")
	site.prints(t, ubuntuAll, "/usr/bin/ec2metadata")
	site.prints(t, userData, "/usr/bin/ec2metadata", "--user-data")
	site.prints(t, mac0+"\napse2-az3\nap-southeast-2\nunavailable\nmy-group\n3\n", "/usr/bin/ec2metadata", "--url", "http://"+serviceIPv4+"/latest",
		"--mac", "--availability-zone-id", "--region", "--host-id", "--group-name", "--partition-number")
}

// TestEC2Metadata_ToolPrintsABareInstance is the same for an instance without configuration.
func TestEC2Metadata_ToolPrintsABareInstance(t *testing.T) {
	needFile(t, "/usr/bin/ec2-metadata", "amazon-ec2-utils")
	site := newSite(t, serviceIPv4)
	site.serve(t, mockHome(t, "ec2: {reservation_id: r-0123456789abcdef0, security_groups: [default]}\n"), listenIPv4)
	site.prints(t, amazonBare, "/usr/bin/ec2-metadata", "--all")
}

// prints compares all that a command prints.
func (n netns) prints(t *testing.T, want string, command ...string) {
	t.Helper()
	if diff := cmp.Diff(want, n.output(t, nil, command...)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", strings.Join(command, " "), diff)
	}
}

const amazonAll = `ami-id: ` + imageID + `
ami-launch-index: 2
ami-manifest-path: (unknown)
ancestor-ami-ids: not available
block-device-mapping: 
	 ami: /dev/xvda
	 ebs1: sdf
	 ephemeral0: sdb
	 root: /dev/xvda
instance-id: ` + instanceID + `
instance-type: m5.large
local-hostname: ip-10-20-1-10.ap-southeast-2.compute.internal
local-ipv4: 10.20.1.10
kernel-id: not available
placement: ap-southeast-2b
product-codes: 1abc2defghijklm3nopqrs4tu
5abc2defghijklm3nopqrs4tu
public-hostname: ec2-203-0-113-25.ap-southeast-2.compute.amazonaws.com
public-ipv4: 203.0.113.25
public-keys: 
keyname:first-key
index:0
format:openssh-key
key:(begins from next line)
` + key0 + `
keyname:second-key
index:1
format:openssh-key
key:(begins from next line)
` + key1 + `
ramdisk-id: not available
reservation-id: r-0123456789abcdef0
security-groups: web
ssh
user-data: ` + userData + `tags: 
	 Name: web 1
	 stage=x: test, 100 %
	 team:owner: 
`

const ubuntuAll = `ami-id: ` + imageID + `
ami-launch-index: 2
ami-manifest-path: (unknown)
ancestor-ami-ids: unavailable
availability-zone: ap-southeast-2b
block-device-mapping: ami
ebs1
ephemeral0
root
instance-action: none
instance-id: ` + instanceID + `
instance-type: m5.large
local-hostname: ip-10-20-1-10.ap-southeast-2.compute.internal
local-ipv4: 10.20.1.10
kernel-id: unavailable
mac: unavailable
profile: default-hvm
product-codes: 1abc2defghijklm3nopqrs4tu
5abc2defghijklm3nopqrs4tu
public-hostname: ec2-203-0-113-25.ap-southeast-2.compute.amazonaws.com
public-ipv4: 203.0.113.25
public-keys: ['` + key0 + `', '` + key1 + `']
ramdisk-id: unavailable
reservation-id: r-0123456789abcdef0
security-groups: web
ssh
user-data: b'#cloud-config\npackages: [jq, "gr\xc3\xb6\xc3\x9fe"]\nruncmd:\n  - echo "$HOME"\n'
availability-zone-id: unavailable
region: unavailable
host-id: unavailable
group-name: unavailable
partition-number: unavailable
` // it asks under 2009-04-04, which has neither mac nor the last five

const amazonBare = `ami-id: ` + imageID + `
ami-launch-index: 0
ami-manifest-path: (unknown)
ancestor-ami-ids: not available
block-device-mapping: 
	 ami: /dev/xvda
	 root: /dev/xvda
instance-id: ` + instanceID + `
instance-type: t3.micro
local-hostname: ip-10-0-0-10.ap-southeast-2.compute.internal
local-ipv4: 10.0.0.10
kernel-id: not available
placement: ap-southeast-2a
product-codes: not available
public-hostname: not available
public-ipv4: not available
public-keys: 
not available
ramdisk-id: not available
reservation-id: r-0123456789abcdef0
security-groups: default
user-data: not available
tags: 
not available
`
