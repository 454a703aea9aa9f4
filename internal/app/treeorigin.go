package app

import (
	"cmp"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/lifecycle"
)

// originDerived is the origin of what follows from other values or from the built-in defaults.
const originDerived = "derived"

// originOf says where the value of a path below the version comes from, as a client sees it: event:ID, the place of a key in the
// configuration, derived, or, where the places of many entries are not kept, the entry of clients or roles. own is what metadata of the
// configuration has at the path; nil for nothing.
func (s *State) originOf(below string, c client, selection lifecycle.Selection, own *string) string {
	if e := s.eventAt(below, selection); e != nil {
		return "event:" + e.ID
	}
	key := keyOf[below]
	if own != nil {
		key = "metadata." + below
	}
	if key == "" {
		return originDerived
	}
	if entry := c.identity.entry; entry >= 0 {
		if at := s.Config.EntryOrigin(entry, key); at != "" {
			return at
		}
		if all := s.Config.Config.Metadata[below]; own != nil && (all == nil || *all != *own) {
			return s.identities.name(entry)
		}
	}
	if from := c.identity.grant.from; from != "" && key == roleKey {
		return cmp.Or(s.Config.RoleOrigin(strings.TrimPrefix(from, "roles.")), from)
	}
	return cmp.Or(s.Config.Origin(key), originDerived)
}

// eventAt returns the last event that sets a path below the version for clients of a selection; nil for none.
func (s *State) eventAt(below string, selection lifecycle.Selection) *lifecycle.Event {
	var last *lifecycle.Event
	for _, e := range s.Events.Events() {
		if e.PhaseAt(s.Now).Name != lifecycle.Pending && slices.Contains(e.Paths, below) && s.Events.Shows(selection, e) {
			last = e
		}
	}
	return last
}

const roleKey = "credentials.iam_role"

// keyOf has the key of the configuration whose value a path has. Others follow from several keys.
var keyOf = map[string]string{
	"user-data":                                "ec2.user_data",
	"meta-data/ami-id":                         "ec2.image_id",
	"meta-data/ami-launch-index":               "ec2.ami_launch_index",
	"meta-data/hostname":                       "ec2.hostname",
	"meta-data/instance-id":                    "ec2.instance_id",
	"meta-data/instance-life-cycle":            "ec2.life_cycle",
	"meta-data/instance-type":                  "ec2.instance_type",
	"meta-data/ipv6":                           "ec2.ipv6",
	"meta-data/local-hostname":                 "ec2.hostname",
	"meta-data/local-ipv4":                     "ec2.local_ipv4",
	"meta-data/mac":                            "ec2.mac",
	"meta-data/placement/availability-zone":    "aws.availability_zone",
	"meta-data/placement/availability-zone-id": "aws.availability_zone_id",
	"meta-data/placement/group-name":           "ec2.placement.group_name",
	"meta-data/placement/host-id":              "ec2.placement.host_id",
	"meta-data/placement/partition-number":     "ec2.placement.partition_number",
	"meta-data/placement/region":               "aws.region",
	"meta-data/product-codes":                  "ec2.product_codes",
	"meta-data/public-hostname":                "ec2.public_hostname",
	"meta-data/public-ipv4":                    "ec2.public_ipv4",
	"meta-data/reservation-id":                 "ec2.reservation_id",
	"meta-data/security-groups":                "ec2.security_groups",
	"meta-data/services/domain":                "aws.domain",
	"meta-data/services/partition":             "aws.partition",
	"meta-data/iam/info":                       roleKey,
}
