package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaults_PlaceFollowsRoleAndZone(t *testing.T) {
	const role = "credentials: {iam_role: 'arn:aws:iam::222222222222:role/r'}\n"
	for content, want := range map[string]AWS{
		"":                                       {AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		role:                                     {AccountID: "222222222222", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		role + "aws: {account_id: 333333333333}": {AccountID: "333333333333", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		"aws: {region: eu-central-1}":            {AccountID: "123456789012", Region: "eu-central-1", AvailabilityZone: "eu-central-1a"},
		"aws: {availability_zone: eu-west-2c}":   {AccountID: "123456789012", Region: "eu-west-2", AvailabilityZone: "eu-west-2c"},
		"aws: {availability_zone: us-west-2-lax-1a}":        {AccountID: "123456789012", Region: "us-west-2", AvailabilityZone: "us-west-2-lax-1a"},
		"aws: {availability_zone: us-east-1-wl1-bos-wlz-1}": {AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1-wl1-bos-wlz-1"},
		"aws: {availability_zone: us-gov-west-1b}":          {AccountID: "123456789012", Region: "us-gov-west-1", AvailabilityZone: "us-gov-west-1b"},
	} {
		t.Run(content, func(t *testing.T) {
			if diff := cmp.Diff(want, mustLoad(t, content, nil, nil).Config.AWS); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaults_LocalAddressFollowsNetworks(t *testing.T) {
	for content, want := range map[string]string{
		"":                                                   "10.0.0.10",
		"subnet_ipv4_cidr_block: ''":                         "10.0.0.10",
		"local_ipv4: 10.9.9.9":                               "10.9.9.9",
		"vpc_ipv4_cidr_blocks: []":                           "10.0.0.10",
		"ipv6: 2001:db8::1":                                  "10.0.0.10",
		"mac: 0a:1b:2c:3d:4e:5f":                             "10.0.0.10",
		"subnet_ipv4_cidr_block: 10.1.16.0/20":               "10.1.16.10",
		"subnet_ipv4_cidr_block: 192.168.7.240/28":           "192.168.7.250",
		"subnet_ipv4_cidr_block: 192.168.7.248/29":           "192.168.7.252",
		"subnet_ipv4_cidr_block: 0.0.0.0/0":                  "0.0.0.10",
		"vpc_ipv4_cidr_blocks: [192.168.7.248/30]":           "192.168.7.250",
		"vpc_ipv4_cidr_blocks: [192.168.7.248/32]":           "192.168.7.248",
		"vpc_ipv4_cidr_blocks: [172.31.0.0/16, 10.0.0.0/16]": "172.31.0.10",
		"{vpc_ipv4_cidr_blocks: [172.31.0.0/16], subnet_ipv4_cidr_block: 172.31.32.0/20}": "172.31.32.10",
	} {
		t.Run(content, func(t *testing.T) {
			if got := mustLoad(t, "ec2: \n  "+content+"\n", nil, nil).Config.EC2.LocalIPv4; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestDefaults_RefreshBeforeIsAtMostHalfTheDuration(t *testing.T) {
	for duration, want := range map[string]time.Duration{
		"15m": 450 * time.Second, "30m": 15 * time.Minute, "49m": 1470 * time.Second, "50m": 25 * time.Minute, "1h": 25 * time.Minute, "12h": 25 * time.Minute,
	} {
		t.Run(duration, func(t *testing.T) {
			if got := loadEmbedded(t, "credentials.duration="+duration).Config.Credentials.RefreshBefore; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestDefaults_DeviceNumbersFollowTheOrder(t *testing.T) {
	c := mustLoad(t, "ec2: {network_interfaces: [{}, {device_number: 0, network_card: 1}, {}]}", nil, nil).Config
	var got []int
	for _, n := range c.EC2.NetworkInterfaces {
		got = append(got, n.DeviceNumber)
	}
	if diff := cmp.Diff([]int{1, 0, 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
