package config

import "strings"

// partition is a group of regions with accounts and ARNs of its own.
type partition struct {
	name    string
	prefix  string // of its regions
	domain  string // of its services
	regions []string
}

// standardPartition has the regions that no other partition has.
const standardPartition = "aws"

// partitions are all but the standard one (partitions.json of the AWS SDKs).
var partitions = [...]partition{
	{"aws-cn", "cn-", "amazonaws.com.cn", []string{"cn-north-1", "cn-northwest-1"}},
	{"aws-us-gov", "us-gov-", "amazonaws.com", []string{"us-gov-east-1", "us-gov-west-1"}},
	{"aws-iso", "us-iso-", "c2s.ic.gov", []string{"us-iso-east-1", "us-iso-west-1"}},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", []string{"us-isob-east-1", "us-isob-west-1"}},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", []string{"us-isof-east-1", "us-isof-south-1"}},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", []string{"eu-isoe-west-1"}},
	{"aws-eusc", "eusc-", "amazonaws.eu", []string{"eusc-de-east-1"}},
}

// Partition returns the partition of a region.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return standardPartition
}

// PartitionDomain returns the domain of a partition's services.
func PartitionDomain(name string) string {
	for _, p := range partitions {
		if p.name == name {
			return p.domain
		}
	}
	return "amazonaws.com"
}

// regionsOf returns the regions of a partition, or nil for the standard one and for unknown ones.
func regionsOf(name string) []string {
	for _, p := range partitions {
		if p.name == name {
			return p.regions
		}
	}
	return nil
}

// partitionOfARN returns the partition in an ARN, or "".
func partitionOfARN(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, ":")
	return name
}
