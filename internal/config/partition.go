package config

import "strings"

// partitions are all but the standard one, by the prefix of their regions (partitions.json of the AWS SDKs).
var partitions = [...]struct{ prefix, name, domain string }{
	{"cn-", "aws-cn", "amazonaws.com.cn"},
	{"us-gov-", "aws-us-gov", "amazonaws.com"},
	{"us-iso-", "aws-iso", "c2s.ic.gov"},
	{"us-isob-", "aws-iso-b", "sc2s.sgov.gov"},
	{"us-isof-", "aws-iso-f", "csp.hci.ic.gov"},
	{"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
	{"eusc-", "aws-eusc", "amazonaws.eu"},
}

// Partition returns the partition of a region: a group of regions with accounts and ARNs of its own.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return "aws"
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
