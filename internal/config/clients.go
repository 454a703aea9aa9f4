package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Client is an entry of clients: who gets which role, and which instance.
type Client struct {
	// From are the networks whose clients the entry is for, IPv4-mapped ones as IPv4. Empty: those of any address.
	From []netip.Prefix
	// Listen are the addresses whose listeners the entry is for, as server.listen has them. Empty: any listener.
	Listen []string
	// Role is a name of Config.Roles, NoRole, or "" for the file's own credentials.
	Role string
	// Also are names of further roles that these clients may have by id.
	Also []string
	// Instance is the file's with the entry's keys laid over, except for Credentials; nil if the entry has none of them.
	Instance *Instance
	// UserData is the instance's; a secret.
	UserData []byte

	accountSet bool // aws.account_id is set, here or in the file
}

// Networks returns From as texts; a network of one address is that address.
func (c *Client) Networks() []string {
	var texts []string
	for _, p := range c.From {
		texts = append(texts, prefixText(p))
	}
	return texts
}

// Overlaid reports whether the entry has an instance of its own.
func (c *Client) Overlaid() bool { return c.Instance != nil }

// clientKeys is the schema of an entry of clients.
type clientKeys struct {
	From     []string           `yaml:"from" is:"client network" scalar:"true"`
	Listen   []string           `yaml:"listen" is:"host and port" scalar:"true"`
	Role     string             `yaml:"role" is:"role name"`
	Also     []string           `yaml:"also" is:"role name" scalar:"true"`
	AWS      AWS                `yaml:"aws"`
	EC2      EC2                `yaml:"ec2"`
	Metadata map[string]*string `yaml:"metadata"`
}

var (
	clientsType    = reflect.TypeFor[[]Client]()
	clientType     = reflect.TypeFor[Client]()
	clientKeysType = reflect.TypeFor[clientKeys]()
)

// parseNetwork parses an address or a CIDR block of clients. wrong says what is wrong with it.
func parseNetwork(text string) (p netip.Prefix, wrong string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, quote(text) + " is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16"
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return p, fmt.Sprintf("%s has bits behind its first %d; write %s, or %s for the one address", p, p.Bits(), p.Masked(), p.Addr())
	}
	return p, ""
}

func clientNetwork(text string) string {
	_, wrong := parseNetwork(text)
	return wrong
}

// decodeClients decodes the entries of clients. sound says that the keys before have no problem; otherwise values are not
// compared.
func (l *loader) decodeClients(sound bool) {
	n := l.block(l.clients, "clients", clientsType)
	if n == nil || len(n.Content) == 0 {
		return
	}
	file := *l.config
	var keys clientKeys // of each entry in turn
	l.config.Clients = make([]Client, len(n.Content))
	for i, e := range n.Content {
		if len(l.problems) >= maxProblems {
			break
		}
		s := &scope{parent: l.scope, at: l.at(e), path: element("clients", i)}
		l.clientScopes = append(l.clientScopes, s)
		l.within(s, func() { l.decodeClient(e, &keys, &l.config.Clients[i], &file, sound) })
	}
	l.config.Instance = file.Instance
}

// decodeClient decodes one entry into c, by keys. file is the configuration without clients.
func (l *loader) decodeClient(e *yaml.Node, keys *clientKeys, c *Client, file *Config, sound bool) {
	*keys = clientKeys{AWS: file.AWS, EC2: file.EC2, Metadata: file.Metadata}
	if isEmpty(target(e)) {
		l.report(l.scope.at, "", "an element of the list is empty")
		return
	}
	before := len(l.problems)
	l.decode(e, reflect.ValueOf(keys).Elem(), "", "")
	c.Listen, c.Role, c.Also = keys.Listen, keys.Role, keys.Also
	for _, text := range keys.From {
		if p, wrong := parseNetwork(text); wrong == "" {
			c.From = append(c.From, p)
		}
	}
	if len(keys.From) == 0 && len(c.Listen) == 0 && len(l.problems) == before {
		l.report(l.scope.at, "", "has neither from nor listen, so it does not say which clients it is for; set one of them")
	}
	if !sound || l.scope.broken != nil {
		return
	}
	if c.Role != "" && c.Role != NoRole {
		l.checkRole("role", c.Role)
	}
	for i, name := range c.Also {
		l.checkRole(element("also", i), name)
	}
	c.accountSet = l.isSet(accountPath)
	if l.overlays() {
		l.layOver(c, keys, file)
	}
}

// overlays reports whether the entry has any key of an instance.
func (l *loader) overlays() bool {
	has := func(key string) bool {
		return strings.HasPrefix(key, "ec2.") || strings.HasPrefix(key, "aws.") || strings.HasPrefix(key, "metadata")
	}
	for key := range l.scope.origins.many {
		if has(key) {
			return true
		}
	}
	return slices.ContainsFunc(l.scope.origins.few, func(k keyOrigin) bool { return has(k.key) })
}

// layOver makes and checks the instance of an entry.
func (l *loader) layOver(c *Client, keys *clientKeys, file *Config) {
	l.config.Instance = Instance{Credentials: file.Credentials, AWS: keys.AWS, EC2: keys.EC2, Metadata: keys.Metadata}
	if c.Role != "" {
		l.config.Credentials = l.config.Roles[c.Role] // none for NoRole
	}
	l.replaceAlternatives()
	l.derivePlace()
	l.deriveEC2()
	l.validatePlace()
	l.validateInstance()
	l.validateMetadata()
	c.UserData = l.fileUserData
	if slices.ContainsFunc(userDataKeys, l.scope.has) {
		l.files = append(l.files, l.locate(userDataFile, &l.config.EC2.UserDataFile)...)
		c.UserData = l.readUserData()
	}
	made := l.config.Instance
	c.Instance = &made
}

var userDataKeys = []string{"ec2.user_data", userDataFile, "ec2.user_data_base64"}

// alternatives are keys of which an entry's own replace the file's: a region replaces the file's zone.
var alternatives = [][2][]string{ // keys of an entry, and the keys of the file that they replace
	{{regionPath, zonePath}, {regionPath, zonePath, "aws.availability_zone_id", partitionPath, "aws.domain"}},
	{userDataKeys, userDataKeys},
	{{"ec2.local_ipv4", "ec2.local_ipv4s"}, {"ec2.local_ipv4", "ec2.local_ipv4s"}},
	{{"ec2.public_ipv4", "ec2.public_ipv4s"}, {"ec2.public_ipv4", "ec2.public_ipv4s"}},
	{{"ec2.ipv6", "ec2.ipv6s"}, {"ec2.ipv6", "ec2.ipv6s"}},
	{{"ec2.instance_type"}, {"ec2.architecture"}},
	{{"ec2.instance_id"}, {"ec2.mac", "ec2.interface_id", "ec2.reservation_id"}}, // no two instances have one of these
}

// replaceAlternatives resets the file's keys that keys of the entry replace.
func (l *loader) replaceAlternatives() {
	current, initial := reflect.ValueOf(l.config).Elem(), reflect.ValueOf(l.initial).Elem()
	for _, a := range alternatives {
		if !slices.ContainsFunc(a[0], l.scope.has) {
			continue
		}
		for _, key := range a[1] {
			if l.scope.has(key) {
				continue
			}
			if l.scope.replaced == nil {
				l.scope.replaced = map[string]bool{}
			}
			l.scope.replaced[key] = true
			l.valueAt(current, key).Set(l.valueAt(initial, key))
		}
	}
}

// valueAt returns the value of a dotted key below blocks.
func (l *loader) valueAt(v reflect.Value, key string) reflect.Value {
	for part := range strings.SplitSeq(key, ".") {
		fields := l.fieldsOf(v.Type())
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == part })
		v = v.FieldByIndex(fields[i].index)
	}
	return v
}

// InstanceOf returns the instance that a client of an entry gets, with the credentials of a role, and its user data. entry is
// an index of Config.Clients; -1 is the file's own instance. credentials is nil for an instance without a profile.
func (l *Loaded) InstanceOf(entry int, credentials *Credentials) (in Instance, userData []byte) {
	in, userData = l.Config.Instance, l.UserData
	accountSet := l.accountSet
	if entry >= 0 {
		c := &l.Config.Clients[entry]
		accountSet = c.accountSet
		if c.Instance != nil {
			in, userData = *c.Instance, c.UserData
		}
	}
	if credentials == nil {
		in.Credentials = Credentials{}
		return in, userData
	}
	in.Credentials = *credentials
	if m := roleARN().FindStringSubmatch(credentials.IAMRole); m != nil && !accountSet {
		in.AWS.AccountID = m[1]
	}
	return in, userData
}
