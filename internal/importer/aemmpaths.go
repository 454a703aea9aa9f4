package importer

import (
	"maps"
	"slices"
	"strings"
)

// aemmPath returns the path below the version that AEMM has for a value by default. The path is "" if it needs an address or an id that
// is not there. known is false for names that AEMM does not have.
func aemmPath(name, mac, public, accelerator string) (path string, known bool) {
	switch name {
	case "ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-action", "instance-id", "instance-life-cycle",
		"instance-type", "kernel-id", "local-hostname", "local-ipv4", "mac", "product-codes", "public-hostname", "public-ipv4",
		"ramdisk-id", "reservation-id", "security-groups":
		return "meta-data/" + name, true
	case "public-key":
		return keysDir + "0/openssh-key", true
	case "block-device-mapping-ebs", "block-device-mapping-ephemeral":
		return devicesDir + strings.TrimPrefix(name, "block-device-mapping-") + "0", true
	case "block-device-mapping-ami", "block-device-mapping-root", "block-device-mapping-swap":
		return devicesDir + strings.TrimPrefix(name, "block-device-mapping-"), true
	case "placement-availability-zone", "placement-availability-zone-id", "placement-group-name", "placement-host-id",
		"placement-partition-number", "placement-region":
		return "meta-data/placement/" + strings.TrimPrefix(name, "placement-"), true
	case "services-domain", "services-partition":
		return "meta-data/services/" + strings.TrimPrefix(name, "services-"), true
	case "tags-instance-name":
		return tagsDir + "Name", true
	case "tags-instance-test":
		return tagsDir + "Test", true
	case "elastic-inference-associations":
		return "meta-data/elastic-inference/associations", true
	case "elastic-inference-accelerator":
		if accelerator == "" {
			accelerator = aemmAccelerator
		}
		return "meta-data/elastic-inference/associations/" + accelerator, true
	}
	return aemmInterfacePath(name, mac, public)
}

// aemmInterfacePath is aemmPath for the values of the interface.
func aemmInterfacePath(name, mac, public string) (path string, known bool) {
	leaf, ok := strings.CutPrefix(name, "mac-")
	if !ok {
		return "", false
	}
	switch leaf {
	case "ipv4-associations":
		if public == "" {
			return "", true
		}
		leaf += "/" + public
	case "ipv6-associations":
		leaf = "ipv6s"
	case "network-interface-id":
		leaf = "interface-id"
	case "network-interface-card-index":
		leaf = "network-card-index"
	case "device-number", "local-hostname", "local-ipv4s", "mac", "owner-id", "public-hostname", "public-ipv4s", "security-group-ids",
		"security-groups", "subnet-id", "subnet-ipv4-cidr-block", "subnet-ipv6-cidr-blocks", "vpc-id", "vpc-ipv4-cidr-block",
		"vpc-ipv4-cidr-blocks", "vpc-ipv6-cidr-blocks":
	default:
		return "", false
	}
	return macsDir + mac + "/" + leaf, true
}

// aemmNames are all names that AEMM has a value for.
func aemmNames() []string {
	return strings.Fields(`ami-id ami-launch-index ami-manifest-path block-device-mapping-ami block-device-mapping-ebs
		block-device-mapping-ephemeral block-device-mapping-root block-device-mapping-swap elastic-inference-associations hostname
		instance-action instance-id instance-life-cycle instance-type kernel-id local-hostname local-ipv4 mac mac-device-number
		mac-ipv4-associations mac-ipv6-associations mac-local-hostname mac-local-ipv4s mac-mac mac-network-interface-card-index
		mac-network-interface-id mac-owner-id mac-public-hostname mac-public-ipv4s mac-security-group-ids mac-security-groups mac-subnet-id
		mac-subnet-ipv4-cidr-block mac-subnet-ipv6-cidr-blocks mac-vpc-id mac-vpc-ipv4-cidr-block mac-vpc-ipv4-cidr-blocks
		mac-vpc-ipv6-cidr-blocks placement-availability-zone placement-availability-zone-id placement-group-name placement-host-id
		placement-partition-number placement-region product-codes public-hostname public-ipv4 public-key ramdisk-id reservation-id
		security-groups services-domain services-partition tags-instance-name tags-instance-test`)
}

// withoutPlace takes away the values of an interface whose hardware address the input does not have. Those that no key has are lost.
func (m *aemm) withoutPlace(l leaves, settings map[string]string) {
	for _, path := range slices.Sorted(maps.Keys(l)) {
		name, ok := strings.CutPrefix(path, macsDir+noMAC+"/")
		if !ok {
			continue
		}
		if !m.in.hasInterface(name, lines(l[path])) {
			m.in.note(Lost, settings[path], "there is no directory for it without a hardware address; set metadata.values.mac")
		}
		delete(l, path)
	}
}

// hasInterface reports whether the keys of device 0 have the values of a leaf of an interface.
func (in *Instance) hasInterface(name string, values []string) bool {
	if name == "device-number" {
		return slices.Equal(values, []string{"0"})
	}
	key := map[string]string{
		"interface-id": "ec2.interface_id", "ipv6s": "ec2.ipv6", "local-hostname": "ec2.hostname", "local-ipv4s": "ec2.local_ipv4", "owner-id": "aws.account_id",
		"public-hostname": "ec2.public_hostname", "public-ipv4s": "ec2.public_ipv4", "security-group-ids": "ec2.security_group_ids",
		"security-groups": "ec2.security_groups", "subnet-id": "ec2.subnet_id", "subnet-ipv4-cidr-block": "ec2.subnet_ipv4_cidr_block",
		"subnet-ipv6-cidr-blocks": "ec2.subnet_ipv6_cidr_blocks", "vpc-id": "ec2.vpc_id", "vpc-ipv4-cidr-block": "ec2.vpc_ipv4_cidr_blocks",
		"vpc-ipv4-cidr-blocks": "ec2.vpc_ipv4_cidr_blocks", "vpc-ipv6-cidr-blocks": "ec2.vpc_ipv6_cidr_blocks",
	}[name]
	if strings.HasPrefix(name, "ipv4-associations/") {
		key = "ec2.local_ipv4"
	}
	for _, path := range []string{key, key + "s"} {
		i := in.index(strings.Split(path, "."))
		if i < 0 {
			continue
		}
		have := []string{in.Keys[i].Value.Value}
		if list := in.Keys[i].Value.Content; len(list) > 0 {
			have = nil
			for _, e := range list {
				have = append(have, e.Value)
			}
		}
		if slices.Equal(have, values) || name == "vpc-ipv4-cidr-block" && slices.Equal(have[:1], values) {
			return true
		}
	}
	return false
}
