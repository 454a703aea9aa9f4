package importer

import (
	"fmt"
	"strings"
	"testing"
)

// TestShared_KeysStayBesideWhatGivesThemMeaning has keys that two instances share, of which one depends on a key that they do not.
func TestShared_KeysStayBesideWhatGivesThemMeaning(t *testing.T) {
	const instance = `{"InstanceId": "i-%d", "InstanceType": "%s", "Architecture": "arm64", "ImageId": "ami-1", "Placement": {"AvailabilityZone": "%s", "AvailabilityZoneId": "x-az1", "GroupName": "%s", "PartitionNumber": 2}}`
	shared := func(first, second string) string {
		t.Helper()
		r, err := Read([]Input{{"in.json", []byte("[" + first + ", " + second + "]")}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, k := range Shared(r.Instances) {
			paths = append(paths, pathText(k.Path))
		}
		return strings.Join(paths, " ")
	}
	one := fmt.Sprintf(instance, 1, "zz.large", "eu-west-1a", "group")
	const all = "ec2.image_id ec2.instance_type ec2.architecture ec2.life_cycle aws.availability_zone aws.availability_zone_id ec2.placement.group_name ec2.placement.partition_number ec2.metadata_options.instance_metadata_tags"
	for _, tt := range []struct{ name, second, without string }{
		{"alike", fmt.Sprintf(instance, 2, "zz.large", "eu-west-1a", "group"), ""},
		{"another zone", fmt.Sprintf(instance, 2, "zz.large", "eu-west-1b", "group"), "aws.availability_zone aws.availability_zone_id "},
		{"another type", fmt.Sprintf(instance, 2, "zz.small", "eu-west-1a", "group"), "ec2.instance_type ec2.architecture "},
		{"another group", fmt.Sprintf(instance, 2, "zz.large", "eu-west-1a", "other"), "ec2.placement.group_name ec2.placement.partition_number "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := shared(one, tt.second), strings.Replace(all, tt.without, "", 1); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestRoleNames_OfTwoAccountsDiffer has names as long as IAM takes, which a number does not fit behind.
func TestRoleNames_OfTwoAccountsDiffer(t *testing.T) {
	long := strings.Repeat("r", 64)
	for _, tt := range []struct{ role, second string }{{"web", "web-2"}, {long, long[:62] + "-2"}, {"none", "none-3"}} {
		one := &Instance{Role: tt.role, RoleARN: "arn:aws:iam::1:role/" + tt.role}
		other := &Instance{Role: tt.role, RoleARN: "arn:aws:iam::2:role/" + tt.role}
		if got := roleNames([]*Instance{one, other, one, {}})[other.RoleARN]; got != tt.second {
			t.Errorf("%s and %s", tt.role, got)
		}
	}
}
