//go:build e2e && linux

package e2e

import (
	"path/filepath"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// instance is the end of a configuration, from the block aws on: an instance with everything that can be configured. Options of
// ec2 may follow, such as metadata_options or hostname.
const instance = `  availability_zone: ap-southeast-2b
  availability_zone_id: apse2-az3
ec2:
  instance_type: m5.large
  pending_time: 2026-02-03T04:05:06Z
  local_ipv4: 10.20.1.10
  public_ipv4: 203.0.113.25
  ipv6: 2001:db8:20:100::10
  mac: ` + mac0 + `
  interface_id: eni-0a0a0a0a0a0a0a0a0
  vpc_id: vpc-01234567890abcdef
  subnet_id: subnet-0a0a0a0a0a0a0a0a0
  vpc_ipv4_cidr_blocks: [10.20.0.0/16, 100.64.0.0/16]
  vpc_ipv6_cidr_blocks: ["2001:db8:20:100::/56"]
  subnet_ipv4_cidr_block: 10.20.1.0/24
  subnet_ipv6_cidr_blocks: ["2001:db8:20:100::/64"]
  security_groups: [web, ssh]
  security_group_ids: [sg-0aaaaaaaaaaaaaaaa, sg-0bbbbbbbbbbbbbbbb]
  network_interfaces:
    - device_number: 1
      mac: ` + mac1 + `
      interface_id: eni-0b0b0b0b0b0b0b0b0
      subnet_id: subnet-0b0b0b0b0b0b0b0b0
      local_ipv4s: [10.20.2.10, 10.20.2.11]
      public_ipv4s: [203.0.113.26]
      ipv6s: ["2001:db8:20:101::10"]
      ipv4_prefixes: [10.20.2.32/28]
      ipv6_prefixes: ["2001:db8:20:101:a::/80"]
      subnet_ipv4_cidr_block: 10.20.2.0/24
      subnet_ipv6_cidr_blocks: ["2001:db8:20:101::/64"]
  reservation_id: r-0123456789abcdef0
  ami_launch_index: 2
  monitoring: enabled
  placement: {group_name: my-group, partition_number: 3}
  product_codes: [1abc2defghijklm3nopqrs4tu, 5abc2defghijklm3nopqrs4tu]
  key_pairs:
    - {name: first-key, public_key: ` + key0 + `}
    - {name: second-key, public_key: ` + key1 + `}
  block_devices: {ami: /dev/xvda, root: /dev/xvda, ebs1: sdf, ephemeral0: sdb}
  tags: {Name: web 1, "team:owner": "", stage=x: "test, 100 %"}
  user_data: |
    #cloud-config
    packages: [jq, "größe"]
    runcmd:
      - echo "$HOME"
`

// Values of instance that tests compare with.
const (
	instanceID = "i-0123456789abcdef0" // the default
	imageID    = "ami-0abcdef1234567890"
	zone       = region + "b"
	mac0       = "0a:1b:2c:3d:4e:5f"
	mac1       = "06:1b:2c:3d:4e:60"
	key0       = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqXgRLKG73K+sIxs5oj3E2nhu/4FHxOcrmAd4Wv7ki7 ann@example.com"
	key1       = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID4j6BYAOVlKM4lPZWThsTSLvXoAiNQsSstz7q7VnACd"
	userData   = "#cloud-config\npackages: [jq, \"größe\"]\nruncmd:\n  - echo \"$HOME\"\n"
)

// requireTokens is an option of instance.
const requireTokens = "  metadata_options: {http_tokens: required}\n"

// mockHome makes a home with a configuration of mock credentials, for a daemon without STS. more continues it after the region.
func mockHome(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	writeMockConfig(t, dir, more)
	return dir
}

func writeMockConfig(t *testing.T, dir, more string) {
	t.Helper()
	testutil.Write(t, filepath.Join(dir, "conf/config.yaml"),
		"credentials: {mock: true, iam_role: "+roleARN+"}\naws:\n  region: "+region+"\n"+more)
}
