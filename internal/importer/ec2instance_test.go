package importer

import (
	"fmt"
	"strings"
	"testing"
)

// instanceWith is an instance with a list of elements, in which %d is their number.
func instanceWith(list, element string, n int) string {
	elements := make([]string, n)
	for i := range elements {
		elements[i] = strings.ReplaceAll(element, "%d", fmt.Sprint(i))
	}
	return `{"InstanceId": "i-1", "` + list + `": [` + strings.Join(elements, ", ") + `]}`
}

func TestRead_RefusesInstancesOfManyElements(t *testing.T) {
	interfaceOf := `{"PrivateIpAddresses": [` + strings.TrimSuffix(strings.Repeat(`{"PrivateIpAddress": "10.0.0.4"}, `, 1001), ", ") + `]}`
	tests := []struct {
		content, want string
	}{
		{instanceWith("Tags", `{"Key": "k%d", "Value": ""}`, 200), ""},
		{instanceWith("Tags", `{"Key": "k%d", "Value": ""}`, 201), "i-1: Tags: 201 elements; at most 200 are taken"},
		{instanceWith("NetworkInterfaces", `{"Attachment": {"DeviceIndex": %d}}`, 65), ""},
		{instanceWith("NetworkInterfaces", `{"Attachment": {"DeviceIndex": %d}}`, 66), "i-1: NetworkInterfaces: 66 elements; at most 65 are taken"},
		{instanceWith("BlockDeviceMappings", `{"DeviceName": "/dev/sd%d"}`, 201), "i-1: BlockDeviceMappings: 201 elements; at most 200 are taken"},
		{instanceWith("SecurityGroups", `{"GroupName": "g%d"}`, 201), "i-1: SecurityGroups: 201 elements; at most 200 are taken"},
		{instanceWith("ProductCodes", `{"ProductCodeId": "c%d"}`, 201), "i-1: ProductCodes: 201 elements; at most 200 are taken"},
		{`{"InstanceId": "i-1", "NetworkInterfaces": [` + interfaceOf + `]}`, "i-1: NetworkInterfaces[0]: 1001 addresses, prefixes and groups; at most 1000 are taken"},
	}
	for _, tt := range tests {
		_, err := written(t, Options{}, tt.content)
		if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestRead_TakesAnInstanceOnceWhateverTheOrder(t *testing.T) {
	one := `{"InstanceId": "i-1", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
		"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Attachment": {"DeviceIndex": 0}}, {"NetworkInterfaceId": "eni-2", "Attachment": {"DeviceIndex": 1}}]}`
	again := `{"NetworkInterfaces": [{"Attachment": {"DeviceIndex": 1}, "NetworkInterfaceId": "eni-2"}, {"NetworkInterfaceId": "eni-1", "Attachment": {"DeviceIndex": 0}}],
		"InstanceId": "i-1", "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]}`
	want, err := written(t, Options{}, one)
	if err != nil {
		t.Fatal(err)
	}
	for _, second := range []string{one, again} {
		if got, err := written(t, Options{}, one, second); err != nil || got != want {
			t.Errorf("%v\n%s", err, got)
		}
	}
	for _, differs := range []string{strings.Replace(again, `"1"`, `"3"`, 1), strings.Replace(again, `"DeviceIndex": 1`, `"DeviceIndex": 2`, 1)} {
		if _, err := written(t, Options{}, one, differs); err == nil || err.Error() != "i-1: is there twice, and differs; leave one out" {
			t.Errorf("%v", err)
		}
	}
}

func TestRead_LaunchTimeIsTakenAsProgramsWriteIt(t *testing.T) {
	for launched, want := range map[string]string{
		"2025-01-31T12:00:00.000Z":         "2025-01-31T12:00:00Z", // version 1 of the AWS CLI
		"2025-01-31T13:00:00+01:00":        "2025-01-31T12:00:00Z", // version 2
		"2025-01-31 12:00:00+00:00":        "2025-01-31T12:00:00Z", // Python
		"2025-01-31 12:00:00.999999+00:00": "2025-01-31T12:00:00Z",
		"yesterday":                        "",
		"2025-01-31T12:00:00":              "", // of which zone?
	} {
		r, err := Read([]Input{{"in.json", []byte(`{"InstanceId": "i-1", "LaunchTime": "` + launched + `"}`)}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := r.Instances[0]
		at, lost := in.index([]string{"ec2", "pending_time"}), false
		for _, n := range in.Notes {
			lost = lost || n.String() == "i-1: lost: LaunchTime: not a time such as 2025-01-31T12:00:00Z"
		}
		if want == "" && (at >= 0 || !lost) || want != "" && (at < 0 || in.Keys[at].Value.Value != want || lost) {
			t.Errorf("%s: key %d of %v, lost %v", launched, at, in.Keys, lost)
		}
	}
}

func TestRead_NothingInListsIsLeftOut(t *testing.T) {
	want, err := written(t, Options{}, `{"InstanceId": "i-1", "NetworkInterfaces": [{}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := written(t, Options{}, `{"InstanceId": "i-1", "Tags": [null], "NetworkInterfaces": [null], "BlockDeviceMappings": [null], "ProductCodes": [null, {}], "SecurityGroups": null}`)
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// TestRead_OtherAnswersComplete has what an instance alone does not say.
func TestRead_OtherAnswersComplete(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHRgl3mcQGqcTdZ2D3qVLN0bKzZtmcU1yFXsCM7P9dl"
	tests := []struct {
		name, instance string
		others         []string
		path, want     string // of a key; "" for none
	}{
		{"the zone of the subnet", `"SubnetId": "s"`, []string{`{"SubnetId": "s", "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "eu-west-1b"}`}, "aws.availability_zone", "eu-west-1b"},
		{"its own zone", `"SubnetId": "s", "Placement": {"AvailabilityZone": "eu-west-1a"}`, []string{`{"SubnetId": "s", "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "eu-west-1b"}`}, "aws.availability_zone", "eu-west-1a"},
		{"the architecture of the type", `"InstanceType": "t"`, []string{`{"InstanceType": "t", "ProcessorInfo": {"SupportedArchitectures": ["arm64"]}}`}, "ec2.architecture", "arm64"},
		{"one of two architectures", `"InstanceType": "t"`, []string{`{"InstanceType": "t", "ProcessorInfo": {"SupportedArchitectures": ["i386", "x86_64"]}}`}, "ec2.architecture", ""},
		{"the account of an interface", `"NetworkInterfaces": [{"OwnerId": "012345678901"}]`, nil, "aws.account_id", "012345678901"},
		{"the account of the profile", `"IamInstanceProfile": {"Arn": "arn:aws:iam::012345678901:instance-profile/p"}`, nil, "aws.account_id", "012345678901"},
		{"a key pair twice, without its key at last", `"KeyName": "k"`, []string{`{"KeyName": "k", "PublicKey": "` + key + `"}`, `{"KeyName": "k", "KeyFingerprint": "x"}`}, "ec2.key_pairs", "k"},
		{"a ramdisk", `"RamdiskId": "ari-1"`, nil, "metadata.meta-data/ramdisk-id", "ari-1"},
		{"an outpost", `"OutpostArn": "arn:aws:outposts:x"`, nil, "metadata.meta-data/outpost-arn", "arn:aws:outposts:x"},
		{"the first launch", `"AmiLaunchIndex": 0`, nil, "ec2.ami_launch_index", ""},
		{"the second launch", `"AmiLaunchIndex": 1`, nil, "ec2.ami_launch_index", "1"},
		{"a partition without a group", `"Placement": {"PartitionNumber": 2}`, nil, "ec2.placement.partition_number", ""},
		{"monitoring that begins", `"Monitoring": {"State": "pending"}`, nil, "ec2.monitoring", "enabled"},
		{"monitoring that ends", `"Monitoring": {"State": "disabling"}`, nil, "ec2.monitoring", "disabled"},
		{"an instance that begins", `"State": {"Name": "pending"}`, nil, "ec2.instance_id", "i-1"},
		{"groups of the instance", `"NetworkInterfaces": [{}], "SecurityGroups": [{"GroupId": "sg-1"}]`, nil, "ec2.security_group_ids", "sg-1"},
		{"groups, one without a name", `"SecurityGroups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2", "GroupName": "web"}]`, nil, "ec2.security_groups", ""},
		{"groups, one without an id", `"SecurityGroups": [{"GroupName": "web"}, {"GroupId": "sg-2", "GroupName": "db"}]`, nil, "ec2.security_group_ids", ""},
		{"an address of IPv6 of the instance", `"NetworkInterfaces": [{}], "Ipv6Address": "2001:db8::1"`, nil, "ec2.ipv6", "2001:db8::1"},
		{"an instance beside its user data", `"ImageId": "ami-1", "UserData": "x"`, nil, "ec2.image_id", "ami-1"},
		{"a public address of the instance", `"PrivateIpAddress": "10.0.0.4", "PublicIpAddress": "203.0.113.1"`, nil, "ec2.public_ipv4", "203.0.113.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inputs := []Input{{"in.json", []byte(`{"InstanceId": "i-1", ` + tt.instance + `}`)}}
			for _, other := range tt.others {
				inputs = append(inputs, Input{"other.json", []byte(other)})
			}
			r, err := Read(inputs, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, k := range r.Instances[0].Keys {
				if pathText(k.Path) == tt.path {
					for got = k.Value.Value; len(k.Value.Content) > 0; got = k.Value.Value {
						k.Value = k.Value.Content[min(1, len(k.Value.Content)-1)]
					}
				}
			}
			if got != tt.want {
				t.Errorf("%s is %q, want %q", tt.path, got, tt.want)
			}
		})
	}
}
