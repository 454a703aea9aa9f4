package lifecycle

import "strings"

// layout are the paths that EC2 has values at, below the version; "*" stands for one name. Tests compare it with the tree's.
const layout = `
user-data
meta-data/ami-id
meta-data/ami-launch-index
meta-data/ami-manifest-path
meta-data/ancestor-ami-ids
meta-data/autoscaling/target-lifecycle-state
meta-data/block-device-mapping/*
meta-data/elastic-gpus/associations/*
meta-data/elastic-inference/associations/*
meta-data/events/maintenance/history
meta-data/events/maintenance/scheduled
meta-data/events/recommendations/rebalance
meta-data/hibernation/configured
meta-data/hostname
meta-data/iam/info
meta-data/iam/security-credentials/*
meta-data/iam/security-credentials-extended/*
meta-data/identity-credentials/ec2/info
meta-data/identity-credentials/ec2/security-credentials/*
meta-data/instance-action
meta-data/instance-id
meta-data/instance-life-cycle
meta-data/instance-type
meta-data/ipv6
meta-data/kernel-id
meta-data/local-hostname
meta-data/local-ipv4
meta-data/mac
meta-data/managed-ssh-keys/active-keys/*/*
meta-data/managed-ssh-keys/signer-cert
meta-data/managed-ssh-keys/signer-ocsp/*
meta-data/metrics/vhostmd
meta-data/network/interfaces/macs/*/device-number
meta-data/network/interfaces/macs/*/interface-id
meta-data/network/interfaces/macs/*/ipv4-associations/*
meta-data/network/interfaces/macs/*/ipv4-prefix
meta-data/network/interfaces/macs/*/ipv6-prefix
meta-data/network/interfaces/macs/*/ipv6s
meta-data/network/interfaces/macs/*/local-hostname
meta-data/network/interfaces/macs/*/local-ipv4s
meta-data/network/interfaces/macs/*/mac
meta-data/network/interfaces/macs/*/network-card
meta-data/network/interfaces/macs/*/owner-id
meta-data/network/interfaces/macs/*/public-hostname
meta-data/network/interfaces/macs/*/public-ipv4s
meta-data/network/interfaces/macs/*/security-group-ids
meta-data/network/interfaces/macs/*/security-groups
meta-data/network/interfaces/macs/*/subnet-id
meta-data/network/interfaces/macs/*/subnet-ipv4-cidr-block
meta-data/network/interfaces/macs/*/subnet-ipv6-cidr-blocks
meta-data/network/interfaces/macs/*/vpc-id
meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-block
meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-blocks
meta-data/network/interfaces/macs/*/vpc-ipv6-cidr-blocks
meta-data/outpost-arn
meta-data/placement/availability-zone
meta-data/placement/availability-zone-id
meta-data/placement/group-name
meta-data/placement/host-id
meta-data/placement/partition-number
meta-data/placement/region
meta-data/product-codes
meta-data/profile
meta-data/public-hostname
meta-data/public-ipv4
meta-data/public-keys/*/openssh-key
meta-data/ramdisk-id
meta-data/reservation-id
meta-data/security-groups
meta-data/services/domain
meta-data/services/partition
meta-data/spot/instance-action
meta-data/spot/termination-time
meta-data/system
meta-data/tags/instance/*
dynamic/fws/instance-monitoring
dynamic/instance-identity/document
dynamic/instance-identity/dsa2048
dynamic/instance-identity/pkcs7
dynamic/instance-identity/rsa2048
dynamic/instance-identity/signature
`

// layoutConflict says why a path cannot have a value: EC2 has a directory there, or a value above it. It returns "" otherwise. A
// directory of EC2 may be absent now, but another event can bring it.
func layoutConflict(path string) string {
	for pattern := range strings.FieldsSeq(layout) {
		switch rest, match := cutPattern(path, pattern); {
		case !match:
		case rest == "" && strings.Count(path, "/") < strings.Count(pattern, "/"):
			return "it is a directory of EC2; set a path below it"
		case rest != "":
			return strings.TrimSuffix(path, "/"+rest) + " is a value of EC2, and nothing can be below it; set another path"
		}
	}
	return ""
}

// cutPattern compares the segments that both have. rest is what only the path has.
func cutPattern(path, pattern string) (rest string, match bool) {
	for path != "" && pattern != "" {
		var segment, want string
		segment, path, _ = strings.Cut(path, "/")
		want, pattern, _ = strings.Cut(pattern, "/")
		if want != "*" && want != segment {
			return "", false
		}
	}
	return path, true
}
