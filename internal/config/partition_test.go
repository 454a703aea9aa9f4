package config

import "testing"

func TestPartition_FollowsTheRegion(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws", "us-west-2": "aws", "eu-central-1": "aws", "ap-southeast-2": "aws", "ca-central-1": "aws", "mx-central-1": "aws",
		"cn-north-1": "aws-cn", "us-gov-east-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b",
		"eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		t.Run(region, func(t *testing.T) {
			if got := Partition(region); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestPartition_HasItsOwnRegions(t *testing.T) {
	for _, p := range partitions {
		if len(p.regions) == 0 {
			t.Errorf("%s has no region", p.name)
		}
		for _, region := range p.regions {
			if got := Partition(region); got != p.name || check("region", region) != "" {
				t.Errorf("%s of %s is in %s: %s", region, p.name, got, check("region", region))
			}
		}
	}
}
