package config

import "strings"

// graceSuffix starts the suffix of families with NVIDIA's Grace processors, such as p6e-gb200.
const graceSuffix = "-gb"

var (
	// family captures the attributes and the suffix: g and "" of m6g, n and "" of c5n, i and "-flex" of m7i-flex.
	family = once(`^[a-z]+[0-9]+([a-z]*)(-[a-z0-9]+)?$`)
	// macFamily captures the generation, such as 2 or -m4. The first has Intel processors, all others Apple's.
	macFamily = once(`^mac([0-9]+|-m[0-9]+[a-z]*)(-[a-z0-9]+)?$`)
	// highMemoryFamily matches the families up to u-24tb1, whose names have another form.
	highMemoryFamily = once(`^u-[0-9]+tb[0-9]+$`)
)

// architectureOf returns the architecture of an instance type, or "" if its name does not tell (EC2 user guide, "Amazon EC2
// instance type naming conventions": g among the attributes is Graviton).
func architectureOf(instanceType string) string {
	name, _, _ := strings.Cut(instanceType, ".")
	if m := macFamily().FindStringSubmatch(name); m != nil {
		if m[1] == "1" {
			return "x86_64_mac"
		}
		return "arm64_mac"
	}
	m := family().FindStringSubmatch(name)
	switch {
	case m == nil && highMemoryFamily().MatchString(name):
		return "x86_64"
	case m == nil:
		return ""
	case name == "a1" || strings.Contains(m[1], "g") || strings.HasPrefix(m[2], graceSuffix):
		return "arm64"
	default:
		return "x86_64"
	}
}

// deriveArchitecture sets the architecture to that of the instance type. It warns if the name of the type does not tell it,
// unless the type has a warning already.
func (l *loader) deriveArchitecture() {
	const instanceType = "ec2.instance_type"
	c := &l.config.EC2
	if l.isSet("ec2.architecture") || l.scope.broken[instanceType] {
		return
	}
	its := architectureOf(c.InstanceType)
	switch {
	case its != "":
		c.Architecture = its
	case check("usual instance type", c.InstanceType) == "":
		l.odd(instanceType, "%s does not tell the architecture, so that is %s; set ec2.architecture", quote(c.InstanceType), c.Architecture)
	}
}
