package config

import "strings"

// partitions but for the standard one, by the start of their regions' names (partitions.json of the AWS SDKs).
var partitions = [...]struct{ prefix, name, domain string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
}

// Partition is the partition that a region is in, a group of regions with accounts and ARNs of their own.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
}

// PartitionDomain is the domain of a partition's services.
func PartitionDomain(name string) string {
	for _, p := range partitions {
		if p.name == name {
			return p.domain
		}
	}
	return "amazonaws.com"
}
