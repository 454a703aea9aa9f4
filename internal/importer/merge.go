package importer

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Merge makes one configuration of all instances: what they share stands at the top, all else in an entry of clients for each.
func (r *Result) Merge(opt Options) (*yaml.Node, error) {
	var top []Key
	switch len(r.Instances) {
	case 0:
		return nil, fmt.Errorf("no instance is left")
	case 1:
		in := r.Instances[0]
		top = append(credentials(in, opt, "credentials"), in.Keys...)
	default:
		var err error
		if top, err = mergeMany(r.Instances, opt); err != nil {
			return nil, err
		}
	}
	document := assemble(top)
	s := sorter{ranks()}
	s.sort(document, "")
	return document, nil
}

// credentials are the keys of an instance's role below a path; none without one.
func credentials(in *Instance, opt Options, path ...string) []Key {
	if in.Role == "" {
		return nil
	}
	role := textNode(in.RoleARN)
	if in.RoleGuess != "" {
		role.LineComment = "guessed: " + in.RoleGuess
	}
	source := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true", LineComment: "made-up credentials; for real ones write source_profile: PROFILE instead"}
	key := "mock"
	if opt.SourceProfile != "" {
		key, source = "source_profile", textNode(opt.SourceProfile)
	}
	at := func(key string) []string { return append(slices.Clone(path), key) }
	return []Key{{Path: at("iam_role"), Value: role}, {Path: at(key), Value: source}}
}

// mergeMany returns the keys of a configuration of several instances.
func mergeMany(all []*Instance, opt Options) ([]Key, error) {
	shared := Shared(all)
	top := slices.Clone(shared)
	roles := roleNames(all)
	same := !slices.ContainsFunc(all, func(in *Instance) bool { return in.RoleARN != all[0].RoleARN })
	if same {
		top = append(top, credentials(all[0], opt, "credentials")...)
	} else {
		written := map[string]bool{}
		for _, in := range all {
			if name := roles[in.RoleARN]; in.Role != "" && !written[name] {
				written[name] = true
				top = append(top, credentials(in, opt, "roles", name)...)
			}
		}
	}
	clients := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	owners := map[string]string{} // of addresses
	at := index(shared)
	for i, in := range all {
		var own []Key
		for _, k := range in.Keys {
			if _, ok := at[pathText(k.Path)]; !ok {
				own = append(own, k)
			}
		}
		who, err := clientsOf(in, i, opt, owners)
		if err != nil {
			return nil, err
		}
		own = append(own, who)
		switch {
		case same:
		case in.Role == "":
			own = append(own, Key{Path: []string{"role"}, Value: textNode("none")})
		default:
			own = append(own, Key{Path: []string{"role"}, Value: textNode(roles[in.RoleARN])})
		}
		clients.Content = append(clients.Content, assemble(own))
	}
	return append(top, Key{Path: []string{"clients"}, Value: clients}), nil
}

// clientsOf is the key that says which clients get an instance. owners has whose address each is.
func clientsOf(in *Instance, i int, opt Options, owners map[string]string) (Key, error) {
	if !opt.ByAddress {
		port := opt.BasePort + i
		if port < 1 || port > 65535 {
			return Key{}, fmt.Errorf("%s: its port would be %d; choose a lower --base-port, or fewer instances by --instance", in.ID, port)
		}
		return Key{Path: []string{"listen"}, Value: listNode([]string{fmt.Sprintf("127.0.0.1:%d", port)})}, nil
	}
	if len(in.Addresses) == 0 {
		return Key{}, fmt.Errorf("%s: has no address to know its clients by; leave out --match address", in.ID)
	}
	for _, a := range in.Addresses {
		if other, taken := owners[a]; taken && other != in.ID {
			return Key{}, fmt.Errorf("%s and %s: both have the address %s; import them one by one, or leave out --match address", other, in.ID, a)
		}
		owners[a] = in.ID
	}
	return Key{Path: []string{"from"}, Value: listNode(in.Addresses)}, nil
}

// roleNames gives each role a name in roles, by its ARN: that of IAM, with the account if two accounts have it.
func roleNames(all []*Instance) map[string]string {
	names, taken := map[string]string{}, map[string]bool{"none": true}
	for _, in := range all {
		if _, ok := names[in.RoleARN]; ok || in.Role == "" {
			continue
		}
		name := in.Role
		for n := 2; taken[name]; n++ {
			suffix := fmt.Sprintf("-%d", n)
			name = in.Role[:min(len(in.Role), 64-len(suffix))] + suffix
		}
		taken[name] = true
		names[in.RoleARN] = name
	}
	return names
}

// Shared returns the keys that all instances have with equal values, and that mean the same at the top of a configuration.
func Shared(all []*Instance) []Key {
	if len(all) < 2 {
		return nil
	}
	var shared []Key
	for _, k := range all[0].Keys {
		if mayBeShared(k.Path) {
			shared = append(shared, k)
		}
	}
	anywhere := map[string]bool{}
	for _, in := range all {
		at := index(in.Keys)
		for text := range at {
			anywhere[text] = true
		}
		shared = slices.DeleteFunc(shared, func(k Key) bool {
			i, ok := at[pathText(k.Path)]
			return !ok || !equal(k.Value, in.Keys[i].Value)
		})
	}
	has := index(shared)
	return slices.DeleteFunc(shared, func(k Key) bool {
		needs := needed[pathText(k.Path)]
		_, ok := has[needs]
		return needs != "" && !ok && anywhere[needs]
	})
}

// needed has keys that mean something else beside another value of another key.
var needed = map[string]string{
	"aws.availability_zone_id":       "aws.availability_zone",
	"aws.partition":                  "aws.availability_zone",
	"aws.domain":                     "aws.availability_zone",
	"ec2.architecture":               "ec2.instance_type",
	"ec2.placement.partition_number": "ec2.placement.group_name",
}

// mayBeShared leaves out what only one instance can have, and what is wrong without it.
func mayBeShared(path []string) bool {
	switch path[0] {
	case "aws":
		return true
	case "metadata":
		return !strings.HasPrefix(path[1], "meta-data/iam")
	case "ec2":
		return !slices.Contains([]string{
			"instance_id", "local_ipv4", "local_ipv4s", "public_ipv4", "public_ipv4s", "public_hostname", "ipv6", "ipv6s", "ipv4_prefixes",
			"ipv6_prefixes", "mac", "interface_id", "reservation_id", "hostname", "hostname_type", "network_interfaces",
		}, path[1])
	default:
		return true
	}
}

// index returns the places of keys by their paths.
func index(keys []Key) map[string]int {
	at := make(map[string]int, len(keys))
	for i, k := range keys {
		at[pathText(k.Path)] = i
	}
	return at
}

func pathText(path []string) string { return strings.Join(path, ".") }

// equal reports whether two values are the same.
func equal(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.Tag == b.Tag && slices.EqualFunc(a.Content, b.Content, equal)
}
