package importer

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAround_LeavesWhatAWSKeepsForItself(t *testing.T) {
	for _, tt := range []struct {
		addresses []string
		want      string // "" if the usual subnet has them
	}{
		{[]string{"10.0.1.10"}, ""},
		{[]string{"10.0.1.10", "10.0.15.250"}, ""},
		{[]string{"10.0.1.10", "10.0.16.10"}, "10.0.0.0/19"},
		{[]string{"10.0.64.4", "10.0.90.1"}, "10.0.64.0/19"},
		{[]string{"10.0.64.3", "10.0.90.1"}, "10.0.0.0/17"},    // of 10.0.64.0/19 and /18, 10.0.64.3 is one of the first four
		{[]string{"10.0.64.9", "10.0.95.255"}, "10.0.64.0/18"}, // the last one of /19
		{[]string{"10.0.1.1", "192.168.1.1"}, "0.0.0.0/0"},
	} {
		var all []netip.Addr
		for _, text := range tt.addresses {
			all = append(all, netip.MustParseAddr(text))
		}
		block, wide := around(all)
		if wide != (tt.want != "") || wide && block.String() != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.addresses, block, wide, tt.want)
		}
		slices.Reverse(all)
		if again, _ := around(all); wide && again != block {
			t.Errorf("%s: %s in reverse", tt.addresses, again)
		}
	}
}

// TestGuessNetworks_LeavesOutInterfacesWithoutAnAddress has an interface for EFA alone in the subnet of another.
func TestGuessNetworks_LeavesOutInterfacesWithoutAnAddress(t *testing.T) {
	r, err := Read([]Input{{"in.json", []byte(`{"InstanceId": "i-1", "NetworkInterfaces": [
		{"SubnetId": "s", "Attachment": {"DeviceIndex": 0}, "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "10.0.1.10"}, {"PrivateIpAddress": "10.0.40.10"}]},
		{"SubnetId": "s", "Attachment": {"DeviceIndex": 1}},
		{"SubnetId": "s", "Attachment": {"DeviceIndex": 2}, "PrivateIpAddress": "10.0.1.11"}]}`)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := r.Instances[0]
	for path, want := range map[string]bool{
		"ec2.subnet_ipv4_cidr_block": true, "ec2.network_interfaces.[0].subnet_ipv4_cidr_block": false, "ec2.network_interfaces.[1].subnet_ipv4_cidr_block": true,
	} {
		if in.has(path) != want {
			t.Errorf("%s is set: %v", path, !want)
		}
	}
}
