package tree

import (
	"slices"
	"strings"
)

// catalogue maps each path to its release day, "1.0" for the first version. "*" stands for one name. Directories exist
// because of the paths in them. Days marked "assumed" are not documented; imds-reference, tree.yaml has the sources.
var catalogue = map[string]string{ //nolint:gosec // paths, not secrets
	"user-data": "1.0",

	"meta-data/ami-id":                                          "1.0",
	"meta-data/ami-launch-index":                                "1.0",
	"meta-data/ami-manifest-path":                               "1.0",
	"meta-data/ancestor-ami-ids":                                "2007-10-10",
	"meta-data/autoscaling/target-lifecycle-state":              "2021-07-15",
	"meta-data/block-device-mapping/*":                          "2007-12-15",
	"meta-data/elastic-gpus/associations/*":                     "2016-11-30",
	"meta-data/elastic-inference/associations/*":                "2018-11-29",
	"meta-data/events/maintenance/history":                      "2018-08-17",
	"meta-data/events/maintenance/scheduled":                    "2018-08-17",
	"meta-data/events/recommendations/rebalance":                "2020-10-27",
	"meta-data/hibernation/configured":                          "2018-09-24", // assumed
	"meta-data/hostname":                                        "1.0",
	"meta-data/iam/info":                                        "2012-01-12",
	"meta-data/iam/security-credentials/*":                      "2012-01-12",
	"meta-data/iam/security-credentials-extended/*":             "2024-04-11", // assumed
	"meta-data/identity-credentials/ec2/info":                   "2018-05-23",
	"meta-data/identity-credentials/ec2/security-credentials/*": "2018-05-23",
	"meta-data/instance-action":                                 "2008-09-01",
	"meta-data/instance-id":                                     "1.0",
	"meta-data/instance-life-cycle":                             "2019-10-01",
	"meta-data/instance-type":                                   "2007-08-29",
	"meta-data/ipv6":                                            "2021-01-03",
	"meta-data/kernel-id":                                       "2008-02-01",
	"meta-data/local-hostname":                                  "2007-01-19",
	"meta-data/local-ipv4":                                      "1.0",
	"meta-data/mac":                                             "2011-01-01",
	"meta-data/managed-ssh-keys/active-keys/*":                  "2019-10-01", // assumed
	"meta-data/managed-ssh-keys/active-keys/*/*":                "2019-10-01", // assumed
	"meta-data/managed-ssh-keys/signer-cert":                    "2019-10-01", // assumed
	"meta-data/managed-ssh-keys/signer-ocsp/*":                  "2019-10-01", // assumed
	"meta-data/metrics/vhostmd":                                 "2011-05-01",
	"meta-data/outpost-arn":                                     "2020-10-27", // assumed
	"meta-data/placement/availability-zone":                     "2008-02-01",
	"meta-data/placement/availability-zone-id":                  "2019-10-01",
	"meta-data/placement/group-name":                            "2020-08-24",
	"meta-data/placement/host-id":                               "2020-08-24",
	"meta-data/placement/partition-number":                      "2020-08-24",
	"meta-data/placement/region":                                "2020-08-24",
	"meta-data/product-codes":                                   "2007-03-01",
	"meta-data/profile":                                         "2007-12-15",
	"meta-data/public-hostname":                                 "2007-01-19",
	"meta-data/public-ipv4":                                     "2007-01-19",
	"meta-data/public-keys/*/openssh-key":                       "1.0",
	"meta-data/ramdisk-id":                                      "2007-10-10",
	"meta-data/reservation-id":                                  "1.0",
	"meta-data/security-groups":                                 "1.0",
	"meta-data/services/domain":                                 "2014-02-25",
	"meta-data/services/partition":                              "2015-10-20",
	"meta-data/spot/instance-action":                            "2016-11-15",
	"meta-data/spot/termination-time":                           "2014-11-05",
	"meta-data/system":                                          "2022-09-24",
	"meta-data/tags/instance/*":                                 "2021-03-23",

	"meta-data/network/interfaces/macs/*/device-number":           "2011-01-01",
	"meta-data/network/interfaces/macs/*/interface-id":            "2011-01-01",
	"meta-data/network/interfaces/macs/*/ipv4-associations/*":     "2011-01-01",
	"meta-data/network/interfaces/macs/*/ipv4-prefix":             "2021-07-15", // assumed
	"meta-data/network/interfaces/macs/*/ipv6-prefix":             "2021-07-15", // assumed
	"meta-data/network/interfaces/macs/*/ipv6s":                   "2016-06-30",
	"meta-data/network/interfaces/macs/*/local-hostname":          "2011-01-01", // documented since 2007-01-19, before macs/ itself
	"meta-data/network/interfaces/macs/*/local-ipv4s":             "2011-01-01",
	"meta-data/network/interfaces/macs/*/mac":                     "2011-01-01",
	"meta-data/network/interfaces/macs/*/network-card":            "2020-11-01",
	"meta-data/network/interfaces/macs/*/owner-id":                "2011-01-01",
	"meta-data/network/interfaces/macs/*/public-hostname":         "2011-01-01",
	"meta-data/network/interfaces/macs/*/public-ipv4s":            "2011-01-01",
	"meta-data/network/interfaces/macs/*/security-group-ids":      "2011-01-01",
	"meta-data/network/interfaces/macs/*/security-groups":         "2011-01-01",
	"meta-data/network/interfaces/macs/*/subnet-id":               "2011-01-01",
	"meta-data/network/interfaces/macs/*/subnet-ipv4-cidr-block":  "2011-01-01",
	"meta-data/network/interfaces/macs/*/subnet-ipv6-cidr-blocks": "2016-06-30",
	"meta-data/network/interfaces/macs/*/vpc-id":                  "2011-01-01",
	"meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-block":     "2011-01-01",
	"meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-blocks":    "2016-06-30",
	"meta-data/network/interfaces/macs/*/vpc-ipv6-cidr-blocks":    "2016-06-30",

	"dynamic/fws/instance-monitoring":     "2009-04-04",
	"dynamic/instance-identity/document":  "2009-04-04",
	"dynamic/instance-identity/dsa2048":   "2024-04-11", // assumed
	"dynamic/instance-identity/pkcs7":     "2009-04-04",
	"dynamic/instance-identity/rsa2048":   "2016-09-02", // assumed
	"dynamic/instance-identity/signature": "2009-04-04",
}

// patternPrefixes holds the first two segments of each path with a "*".
var patternPrefixes = func() map[string]bool {
	dirs := map[string]bool{}
	for path := range catalogue {
		if strings.Contains(path, "*") {
			dirs[firstTwo(path)] = true
		}
	}
	return dirs
}()

// firstTwo returns the first two segments of a path.
func firstTwo(path string) string {
	first := strings.IndexByte(path, '/') + 1
	if i := strings.IndexByte(path[first:], '/'); i >= 0 {
		return path[:first+i]
	}
	return path
}

// sinceOf returns the release day of a path. A path that EC2 does not have exists since dynamic/ or meta-data/ exists.
func sinceOf(path string) string {
	if since, ok := catalogue[path]; ok {
		return since
	}
	if patternPrefixes[firstTwo(path)] {
		if since, ok := sinceOfPattern(strings.Split(path, "/")); ok {
			return since
		}
	}
	if strings.HasPrefix(path, "dynamic/") {
		return "2009-04-04"
	}
	return "1.0"
}

// sinceOfPattern looks up the path with each combination of "*" for its segments. The first two are never a "*".
func sinceOfPattern(parts []string) (since string, ok bool) {
	for mask := 1; len(parts) > 2 && len(parts) <= 8 && mask < 1<<(len(parts)-2); mask++ {
		pattern := slices.Clone(parts)
		for i := range parts[2:] {
			if mask&(1<<i) != 0 {
				pattern[i+2] = "*"
			}
		}
		if since, ok = catalogue[strings.Join(pattern, "/")]; ok {
			return since, true
		}
	}
	return "", false
}

// unlisted holds directories that exist but are not in the listing above them.
var unlisted = map[string]bool{
	// cloud-init skips only security-credentials/ and would store the secrets of this one (imds-reference section 5).
	"meta-data/iam/security-credentials-extended": true,
	// An instance of 2026 lists only instance-identity/, as does AWS's documentation (docs/compatibility.md).
	"dynamic/fws": true,
}
