package config

import "testing"

func TestFits_AppliesTheRulesOfAKey(t *testing.T) {
	for _, tc := range []struct {
		key, text string
		want      bool
	}{
		{"ec2.image_id", "ami-0123456789abcdef0", true},
		{"ec2.image_id", "two words", false},
		{"ec2.life_cycle", "spot", true},
		{"ec2.life_cycle", "rented", false},
		{"ec2.ami_launch_index", "0", true},
		{"ec2.ami_launch_index", "-1", false},
		{"ec2.ami_launch_index", "one", false},
		{"ec2.local_ipv4s", "10.0.0.1", true},
		{"ec2.local_ipv4s", "2001:db8::1", false},
		{"ec2.network_interfaces.mac", "0a:1b:2c:3d:4e:5f", true},
		{"ec2.network_interfaces.device_number", "256", false},
		{"ec2.key_pairs.name", "a/b", false},
		{"ec2.key_pairs.[0].name", "a", true},
		{"ec2.key_pairs.[0].name", "a/b", false},
		{"aws.account_id", "012345678901", true},
		{"aws.account_id", "none", false},
		{"aws.availability_zone", "us-east-1-wl1-bos-wlz-1", true},
		{"clients.ec2.image_id", "ami-1", true},
		{"metadata", "any text", true},
		{"ec2", "a block", false},
		{"ec2.unknown", "x", false},
		{"ec2.image_id.deeper", "x", false},
		{"credentials.mock", "true", false},
	} {
		if got := Fits(tc.key, tc.text); got != tc.want {
			t.Errorf("Fits(%q, %q) = %t", tc.key, tc.text, got)
		}
	}
}

func TestFitsKey_AppliesTheRulesOfNames(t *testing.T) {
	for _, tc := range []struct {
		key, name string
		want      bool
	}{
		{"ec2.block_devices", "ebs1", true},
		{"ec2.block_devices", "ebs0", false},
		{"ec2.tags", "Name", true},
		{"ec2.tags", "with space", false},
		{"metadata", "meta-data/ami-id", true},
		{"metadata", "meta-data/iam/security-credentials/web", false},
		{"metadata", "latest/meta-data/ami-id", false},
		{"ec2.image_id", "x", false},
		{"nothing", "x", false},
	} {
		if got := FitsKey(tc.key, tc.name); got != tc.want {
			t.Errorf("FitsKey(%q, %q) = %t", tc.key, tc.name, got)
		}
	}
}
