package config

import (
	"cmp"
	"net/netip"
	"reflect"
	"time"
)

// defaultAccount is the account that AWS uses in its own examples.
const defaultAccount = "123456789012"

// regionOfZone is the region at the start of an availability zone (us-west-2a) or local zone (us-west-2-lax-1a).
var regionOfZone = once(`^[a-z]{2,}(?:-[a-z]+)+-[0-9]+`)

// arm64Types are those with Graviton processors: m6g.large, c7gn.xlarge, t4g.nano, a1.metal (EC2 user guide, "Amazon EC2
// instance type naming conventions").
var arm64Types = once(`^(?:a1|[a-z-]+[0-9]+g[a-z]*)\.`)

// setDefaults completes what no source has set. What is derived (host name, session name) stays empty: other packages
// know better.
func (l *layers) setDefaults() {
	l.complete(reflect.ValueOf(l.config).Elem(), reflect.ValueOf(defaults(l.config)).Elem(), "")
	for i := range l.config.EC2.NetworkInterfaces {
		if !l.isSet(interfacePath(i) + ".device_number") {
			l.config.EC2.NetworkInterfaces[i].DeviceNumber = i + 1
		}
	}
}

// complete copies the leaves of a block that no source has set.
func (l *layers) complete(to, from reflect.Value, path string) {
	for i, key := range keys(to.Type()) {
		full := join(path, key)
		switch to.Field(i).Kind() {
		case reflect.Struct:
			l.complete(to.Field(i), from.Field(i), full)
		case reflect.Map: // empty by default, and --set may have made entries without setting the whole
		default:
			if !l.isSet(full) {
				to.Field(i).Set(from.Field(i))
			}
		}
	}
}

// defaults is the configuration that says nothing, with the place and the address derived from what is given of them in c.
func defaults(c *Config) *Config {
	d := &Config{
		Credentials: Credentials{Duration: time.Hour, RefreshBefore: 15 * time.Minute},
		AWS:         AWS{AccountID: defaultAccount, Region: "us-east-1"},
		EC2: EC2{
			LocalIPv4:    "10.0.0.10",
			InstanceID:   "i-0123456789abcdef0",
			ImageID:      "ami-0abcdef1234567890",
			InstanceType: "t3.micro",
			Architecture: "x86_64",
			LifeCycle:    "on-demand",
			Monitoring:   "disabled",
			MetadataOptions: MetadataOptions{
				HTTPTokens:              "optional",
				HTTPEndpoint:            "enabled",
				HTTPPutResponseHopLimit: 64,
				InstanceMetadataTags:    "enabled",
			},
		},
		Server: Server{
			Listen: []string{DefaultListen}, AllowClients: []string{"auto"}, Control: "auto",
			Limits: Limits{Connections: 2048, ConnectionsPerClient: 512, URLBytes: 2048, HeaderBytes: 16384, BodyBytes: 4096},
		},
		Log: Log{Level: "info", Format: "text", Access: true},
	}
	if c.Credentials.Duration > 0 {
		d.Credentials.RefreshBefore = min(d.Credentials.RefreshBefore, c.Credentials.Duration/4)
	}
	if arm64Types().MatchString(c.EC2.InstanceType) {
		d.EC2.Architecture = "arm64"
	}
	if m := roleARN().FindStringSubmatch(c.Credentials.IAMRole); m != nil {
		d.AWS.AccountID = m[1]
	}
	if region := regionOfZone().FindString(c.AWS.AvailabilityZone); region != "" {
		d.AWS.Region = region
	}
	region := c.AWS.Region
	if region == "" {
		region = d.AWS.Region
	}
	d.AWS.AvailabilityZone = region + "a"
	d.EC2.LocalIPv4 = cmp.Or(usualAddress(c.EC2.SubnetIPv4CIDRBlock), d.EC2.LocalIPv4)
	if c.EC2.SubnetIPv4CIDRBlock == "" && len(c.EC2.VPCIPv4CIDRBlocks) > 0 {
		d.EC2.LocalIPv4 = cmp.Or(usualAddress(c.EC2.VPCIPv4CIDRBlocks[0]), d.EC2.LocalIPv4)
	}
	return d
}

// usualAddress is address number 10 of a network, or the first that AWS leaves to instances in one too small for that;
// "" when there is none.
func usualAddress(cidr string) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() > mostSubnetBits {
		return ""
	}
	number := 10
	if p.Bits() > 28 {
		number = reservedAddresses
	}
	a := p.Addr()
	for range number {
		a = a.Next()
	}
	return a.String()
}
