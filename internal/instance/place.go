package instance

import (
	"strconv"
	"strings"
)

// zoneID derives the id of an availability zone (use1-az1), local zone (usw2-lax1-az1) or wavelength zone
// (use1-wl1-bos-wlz1). In AWS the mapping of zone letters to numbers differs between accounts; here a is 1.
func zoneID(region, zone string) string {
	id := shortRegion(region)
	local := strings.Trim(strings.TrimPrefix(zone, region), "-") // "a", "lax-1a" or "wl1-bos-wlz-1"
	if local == "" {
		return id
	}
	location, last := local[:len(local)-1], local[len(local)-1]
	if last < 'a' || last > 'z' {
		return id + "-" + strings.TrimSuffix(location, "-") + string(last)
	}
	if location = strings.ReplaceAll(location, "-", ""); location != "" {
		id += "-" + location
	}
	return id + "-az" + strconv.Itoa(int(last-'a')+1)
}

// shortRegion returns the name of a region in the ids of its zones: ap-southeast-2 → apse2, us-gov-west-1 → usgw1.
func shortRegion(region string) string {
	short := map[string]string{
		"north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
		"northeast": "ne", "southeast": "se", "northwest": "nw", "southwest": "sw", "gov": "g",
	}
	var b strings.Builder
	for part := range strings.SplitSeq(region, "-") {
		if s, ok := short[part]; ok {
			part = s
		}
		b.WriteString(part)
	}
	return b.String()
}

// resourceName is the type of host names that have the instance id in them.
const resourceName = "resource-name"

// ipName returns the host part of EC2's IP-based name: ip-10-0-0-10.
func ipName(ipv4 string) string { return "ip-" + strings.ReplaceAll(ipv4, ".", "-") }

// privateHostname returns <name>.ec2.internal in us-east-1, else <name>.<region>.compute.internal (EC2 user guide, "EC2 instance
// hostname types").
func privateHostname(name, region string) string {
	if region == "us-east-1" {
		return name + ".ec2.internal"
	}
	return name + "." + region + ".compute.internal"
}

// publicHostname returns ec2-203-0-113-25.compute-1.amazonaws.com in us-east-1, else ec2-….<region>.compute.<domain>.
func publicHostname(ipv4, region, domain string) string {
	name := "ec2-" + strings.ReplaceAll(ipv4, ".", "-")
	if region == "us-east-1" {
		return name + ".compute-1." + domain
	}
	return name + "." + region + ".compute." + domain
}
