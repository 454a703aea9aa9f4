package cli

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/importer"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// prune takes away the keys of imported instances that change no answer: it builds an instance with a key and without, and compares.
// What all instances share is taken away from all or from none, since it stands once at the top of the configuration.
func prune(all []*importer.Instance) error {
	p := newPruner()
	shared := map[string]bool{}
	for _, k := range importer.Shared(all) {
		shared[pathOf(k.Path)] = true
	}
	subjects := make([]*subject, len(all))
	for i, in := range all {
		s, err := p.subject(in)
		if err != nil {
			return err
		}
		subjects[i] = s
	}
	if len(shared) > 0 {
		pruneShared(subjects, shared)
	}
	for i, s := range subjects {
		for at := len(s.keys) - 1; at >= 0; at-- { // device 0 comes first, and keeps what further interfaces have, too
			if !shared[s.paths[at]] && !s.needs(at) {
				s.dropped[at] = true
			}
		}
		all[i].Keys = s.left()
		subjects[i] = nil // the memory is for the next
	}
	return nil
}

// pruneShared takes keys away that no instance needs.
func pruneShared(all []*subject, shared map[string]bool) {
	for _, path := range all[0].paths {
		if !shared[path] || slices.ContainsFunc(all, func(s *subject) bool { return s.needs(s.find(path)) }) {
			continue
		}
		for _, s := range all {
			s.dropped[s.find(path)] = true
		}
	}
}

func pathOf(path []string) string { return strings.Join(path, ".") }

// pruner knows what a configuration without any key is like.
type pruner struct {
	schema schema
	// bases are instances of few keys: what the configuration derives from them, and its defaults.
	bases map[baseKey]*base
}

func newPruner() *pruner { return &pruner{schema: schema{}, bases: map[baseKey]*base{}} }

// subject is one instance that loses keys.
type subject struct {
	*pruner
	role    string // ARN
	keys    []importer.Key
	paths   []string // of keys
	dropped []bool
	whole   config.Instance // with all keys
	made    *instance.Instance
	values  map[string]string // of the tree without metadata; nil until it is needed
}

func (p *pruner) subject(in *importer.Instance) (*subject, error) {
	s := &subject{pruner: p, role: in.RoleARN, keys: in.Keys, paths: make([]string, len(in.Keys)), dropped: make([]bool, len(in.Keys))}
	for i, k := range in.Keys {
		s.paths[i] = pathOf(k.Path)
		if isTag(k.Path) {
			p.schema.set(&s.whole, k.Path, k.Value)
		}
	}
	var err error
	if s.whole, err = s.build(-1); err != nil {
		return nil, fmt.Errorf("%s: %w", in.ID, err)
	}
	s.made = instance.New(&s.whole, nil)
	return s, nil
}

// isTag reports whether a key is a tag. Tags always stay, so that all builds share the map.
func isTag(path []string) bool { return len(path) == 3 && path[0] == "ec2" && path[1] == "tags" }

// find returns the place of a key, or -1.
func (s *subject) find(path string) int { return slices.Index(s.paths, path) }

// has reports whether a key is there and not dropped.
func (s *subject) has(path string) bool {
	at := s.find(path)
	return at >= 0 && !s.dropped[at]
}

// left returns the keys that stay.
func (s *subject) left() []importer.Key {
	left := make([]importer.Key, 0, len(s.keys))
	for i, k := range s.keys {
		if !s.dropped[i] {
			left = append(left, k)
		}
	}
	return left
}

const architecture = "ec2.architecture"

// needs reports whether an answer changes without a key.
func (s *subject) needs(at int) bool {
	k, path := &s.keys[at], s.paths[at]
	switch {
	case k.Keep || isTag(k.Path) || path == "aws.availability_zone": // without a zone, the region is that of the environment
		return true
	case path == "aws.region" && !s.has("aws.availability_zone"):
		return true
	case k.Path[0] == "metadata":
		return s.needsLeaf(k)
	case path == "credentials.duration":
		d, err := time.ParseDuration(k.Value.Value)
		return err != nil || d != usualDuration()
	case k.Path[0] != "aws" && k.Path[0] != "ec2" || strings.HasPrefix(path, "ec2.user_data"):
		return true
	}
	base, err := s.base(at)
	if err != nil || path == architecture && base.untold {
		return true
	}
	if !strings.Contains(path, "[") && k.Path[1] != "block_devices" && path != "ec2.metadata_options.instance_metadata_tags" {
		with, ok := s.schema.at(&s.whole, k.Path)
		without, known := s.schema.at(&base.Instance, k.Path)
		switch {
		case !ok || !known:
			return true
		case reflect.DeepEqual(with.Interface(), without.Interface()):
			return false // it is what the configuration has without the key
		case !without.IsZero():
			return true // only what is zero is derived when the instance is made
		}
	}
	less, err := s.build(at)
	return err != nil || !same(instance.New(&less, nil), s.made)
}

// usualDuration is credentials.duration of a configuration that does not set it.
func usualDuration() time.Duration {
	loaded, err := config.Load(config.Sources{Text: []byte("{}\n")})
	if err != nil {
		return 0
	}
	return loaded.Config.Credentials.Duration
}

// needsLeaf reports whether a path of metadata answers differently without its override.
func (s *subject) needsLeaf(k *importer.Key) bool {
	if s.values == nil {
		s.values = tree.Values(s.made)
	}
	value, found := s.values[k.Path[1]]
	if k.Value.Tag != "!!null" {
		return !found || value != k.Value.Value
	}
	if found {
		return true
	}
	for path := range s.values {
		if strings.HasPrefix(path, k.Path[1]+"/") {
			return true
		}
	}
	return false
}

// same reports whether two instances give the same answers.
func same(a, b *instance.Instance) bool {
	for _, in := range []*instance.Instance{a, b} {
		for i := range in.Interfaces {
			in.Interfaces[i].SubnetConfigured = false // only checks look at it
		}
	}
	return reflect.DeepEqual(a, b)
}

// build makes the configuration of an instance without a key, or with all for -1.
func (s *subject) build(without int) (config.Instance, error) {
	base, err := s.base(without)
	if err != nil {
		return config.Instance{}, err
	}
	made := base.Instance
	for i := range s.keys {
		if k := &s.keys[i]; i != without && !s.dropped[i] && k.Path[0] != "metadata" && !isTag(k.Path) {
			s.schema.set(&made, k.Path, k.Value)
		}
	}
	made.EC2.Tags = s.whole.EC2.Tags
	for i := range made.EC2.NetworkInterfaces {
		if at := s.find(fmt.Sprintf("ec2.network_interfaces.[%d].device_number", i)); at < 0 || at == without || s.dropped[at] {
			made.EC2.NetworkInterfaces[i].DeviceNumber = i + 1
		}
	}
	return made, nil
}

// base is what a configuration of few keys has, of defaults and of what is derived from others.
type base struct {
	config.Instance
	untold bool // the instance type does not tell the architecture, of which check warns
}

// baseKey has the values of the keys from which the configuration derives others, and the ARN of the role.
type baseKey struct{ role, account, region, zone, instanceType, subnet, vpc string }

// base returns the base of an instance without a key, or with all for -1.
func (s *subject) base(without int) (*base, error) {
	key := baseKey{role: s.role}
	addressed := false
	for i := range s.keys {
		if i == without || s.dropped[i] {
			continue
		}
		n := s.keys[i].Value
		switch s.paths[i] {
		case "ec2.local_ipv4", "ec2.local_ipv4s":
			addressed = true
		case "aws.account_id":
			key.account = n.Value
		case "aws.region":
			key.region = n.Value
		case "aws.availability_zone":
			key.zone = n.Value
		case "ec2.instance_type":
			key.instanceType = n.Value
		case "ec2.subnet_ipv4_cidr_block":
			key.subnet = n.Value
		case "ec2.vpc_ipv4_cidr_blocks":
			key.vpc = n.Content[0].Value // the first network has the address
		}
	}
	if addressed {
		key.subnet, key.vpc = "", ""
	}
	if known, ok := s.bases[key]; ok {
		return known, nil
	}
	text := fmt.Sprintf("credentials: {mock: true, iam_role: %q}\naws: {account_id: %q, region: %q, availability_zone: %q}\nec2: {instance_type: %q, subnet_ipv4_cidr_block: %q",
		key.role, key.account, key.region, key.zone, key.instanceType, key.subnet)
	if key.vpc != "" {
		text += fmt.Sprintf(", vpc_ipv4_cidr_blocks: [%q]", key.vpc)
	}
	loaded, err := config.Load(config.Sources{Text: []byte(text + "}\n")})
	if err != nil {
		return nil, invalid(err, nil)
	}
	b := &base{Instance: loaded.Config.Instance, untold: slices.ContainsFunc(loaded.Warnings, func(w string) bool { return strings.Contains(w, architecture) })}
	b.Credentials = config.Credentials{IAMRole: s.role}
	b.EC2.SubnetIPv4CIDRBlock, b.EC2.VPCIPv4CIDRBlocks = "", nil
	s.bases[key] = b
	return b, nil
}
