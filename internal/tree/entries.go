package tree

import "mock-ec2-metadata/internal/instance"

// entry is one leaf of the tree.
type entry struct {
	path  string // below the version
	since string // release day of the category: "1.0" or YYYY-MM-DD
	value string
	kind  Kind
}

// entries is the table of everything that an instance serves; listings follow from it.
func entries(in *instance.Instance) []entry {
	e := []entry{
		{path: "meta-data/hostname", since: "1.0", value: in.Hostname},
		{path: "meta-data/instance-id", since: "1.0", value: in.ID},
		{path: "meta-data/instance-type", since: "2007-08-29", value: in.Type},
		{path: "meta-data/local-ipv4", since: "1.0", value: in.LocalIPv4},
		{path: "meta-data/placement/availability-zone", since: "2008-02-01", value: in.AvailabilityZone},
		{path: "dynamic/instance-identity/document", since: "2009-04-04", value: string(in.IdentityDocument())},
	}
	if in.Role != "" {
		e = append(e, entry{path: "meta-data/iam/security-credentials/" + in.Role, since: "2012-01-12", kind: Credentials})
	}
	return e
}
