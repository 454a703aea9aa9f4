package config

import "testing"

func TestDefaultAddress(t *testing.T) {
	tests := map[string]string{
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
		"vpc_ipv4_cidr_blocks: [172.31.0.0/16, 10.0.0.0/16]": "172.31.0.10",
		"{vpc_ipv4_cidr_blocks: [172.31.0.0/16], subnet_ipv4_cidr_block: 172.31.32.0/20}": "172.31.32.10",
	}
	for content, want := range tests {
		if got := mustLoad(t, "ec2: \n  "+content+"\n", nil, nil).Config.EC2.LocalIPv4; got != want {
			t.Errorf("%s: got %s, want %s", content, got, want)
		}
	}
}
