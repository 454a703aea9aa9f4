package cli

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"mock-ec2-metadata/internal/importer"
)

// jsonInput makes an input of a value.
func jsonInput(t testing.TB, name string, value any) importer.Input {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return importer.Input{Name: name, Content: content}
}

// pick picks one of several values.
func pick[T any](random *rand.Rand, all ...T) T { return all[random.IntN(len(all))] }

// randomInstance makes an instance of describe-instances, of values that are often those of other instances or our defaults.
func randomInstance(random *rand.Rand, i int) map[string]any {
	subnet := random.IntN(2)
	address := fmt.Sprintf("10.0.%d.%d", 16*subnet, 10+i)
	zone := pick(random, "us-east-1a", "eu-west-1b", "us-west-2-lax-1a")
	region := map[string]string{"us-east-1a": "us-east-1", "eu-west-1b": "eu-west-1", "us-west-2-lax-1a": "us-west-2"}[zone]
	host := fmt.Sprintf("ip-10-0-%d-%d.%s.compute.internal", 16*subnet, 10+i, region)
	in := map[string]any{
		"InstanceId": fmt.Sprintf("i-%017x", i), "PrivateIpAddress": address,
		"InstanceType": pick(random, "t3.micro", "c7g.large", "zz-9.large"), "Architecture": pick(random, "x86_64", "arm64"),
		"ImageId": pick(random, "ami-0abcdef1234567890", "ami-0123456789abcdef0"), "Placement": map[string]any{
			"AvailabilityZone": zone, "AvailabilityZoneId": pick(random, "", "euw1-az2", "use1-az1"),
			"GroupName": pick(random, "", "cluster"), "PartitionNumber": pick(random, 0, 2),
		},
		"PrivateDnsName": pick(random, "", host, "odd.example"), "LaunchTime": pick(random, "2025-01-31T12:00:00Z", "2025-01-31T12:00:01Z"),
		"RootDeviceName": pick(random, "", "/dev/xvda", "/dev/sda1"), "InstanceLifecycle": pick(random, "", "spot"),
		"BlockDeviceMappings": []any{map[string]any{"DeviceName": pick(random, "/dev/xvda", "/dev/sdf")}},
		"Tags":                []any{map[string]any{"Key": "Name", "Value": pick(random, "a", "b")}},
		"MetadataOptions":     map[string]any{"HttpTokens": pick(random, "required", "optional"), "InstanceMetadataTags": pick(random, "enabled", "disabled")},
		"NetworkInterfaces":   randomInterfaces(random, i, subnet, address),
	}
	if random.IntN(3) == 0 {
		delete(in, "Tags")
	}
	if random.IntN(2) == 0 {
		in["IamInstanceProfile"] = map[string]any{
			"Arn": "arn:aws:iam::" + pick(random, "123456789012", "210987654321") + ":instance-profile/" + pick(random, "web", "team/web", "db"), "Id": "AIPAEXAMPLEEXAMPLE123",
		}
	}
	return in
}

// randomInterfaces makes device 0 and up to two others, in any order.
func randomInterfaces(random *rand.Rand, i, subnet int, address string) []any {
	group := func(n int) map[string]any {
		return map[string]any{"GroupName": []string{"default", "web"}[n], "GroupId": fmt.Sprintf("sg-%d", n)}
	}
	var list []any
	for device := range 1 + random.IntN(3) {
		local := address
		of := subnet
		if device > 0 {
			of = random.IntN(2)
			local = fmt.Sprintf("10.0.%d.%d", 16*of, 100+10*i+device)
		}
		private := map[string]any{"Primary": true, "PrivateIpAddress": local}
		if random.IntN(3) == 0 {
			private["Association"] = map[string]any{"PublicIp": fmt.Sprintf("203.0.113.%d", 10*i+device), "PublicDnsName": pick(random, "", "odd.example")}
		}
		list = append(list, map[string]any{
			"Attachment": map[string]any{"DeviceIndex": device, "NetworkCardIndex": 0, "Status": "attached"}, "Status": "in-use",
			"NetworkInterfaceId": fmt.Sprintf("eni-%d%d", i, device), "MacAddress": fmt.Sprintf("0a:00:00:00:0%d:0%d", i, device),
			"SubnetId": fmt.Sprintf("subnet-%d", of), "VpcId": "vpc-0", "PrivateIpAddress": local, "PrivateIpAddresses": []any{private},
			"Groups": []any{group(random.IntN(2))},
		})
	}
	random.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
	return list
}
