package config

import (
	"reflect"
	"slices"
	"strings"
)

// notYet is a key whose behaviour comes later. Until then, setting it to anything but its default is an error: a daemon
// that quietly ignores it would be worse.
type notYet struct {
	key string
	// when limits it to certain configurations; nil: always.
	when func(l *layers) bool
	// evenDefault refuses the default's value too, where writing it down promises something.
	evenDefault bool
	// text is the message; "": unsupportedText.
	text string
}

const unsupportedText = "not supported yet; leave it out"

// unsupported shrinks by a line with each feature. Nothing else has to change but conf/sample-config.yaml and
// docs/configuration.md.
var unsupported = []notYet{
	{key: "credentials.source_profile", when: withoutRole, text: "without credentials.iam_role is not supported yet; set credentials.iam_role"},
	{key: "credentials.mfa_serial"},
	{key: "aws.availability_zone_id"},
	{key: "aws.partition"},
	{key: "aws.domain"},
	{key: "ec2.public_ipv4"},
	{key: "ec2.public_hostname"},
	{key: "ec2.ipv6"},
	{key: "ec2.mac"},
	{key: "ec2.interface_id"},
	{key: "ec2.vpc_id"},
	{key: "ec2.subnet_id"},
	{key: "ec2.vpc_ipv4_cidr_blocks"},
	{key: "ec2.vpc_ipv6_cidr_blocks"},
	{key: "ec2.subnet_ipv4_cidr_block"},
	{key: "ec2.subnet_ipv6_cidr_blocks"},
	{key: "ec2.security_groups"},
	{key: "ec2.security_group_ids"},
	{key: "ec2.network_interfaces"},
	{key: "ec2.reservation_id"},
	{key: "ec2.ami_launch_index"},
	{key: "ec2.life_cycle"},
	{key: "ec2.monitoring"},
	{key: "ec2.placement.group_name"},
	{key: "ec2.placement.host_id"},
	{key: "ec2.placement.partition_number"},
	{key: "ec2.product_codes"},
	{key: "ec2.key_pairs"},
	{key: "ec2.block_devices"},
	{key: "ec2.tags"},
	{key: "ec2.user_data"},
	{key: "ec2.user_data_file"},
	{key: "ec2.user_data_base64"},
	{key: "ec2.metadata_options.http_put_response_hop_limit"},
	{key: "metadata"},
	{key: "server.allow_clients", evenDefault: true}, // "auto" promises a filter
	{key: "server.allow_hosts"},
	{key: "server.user"},
	{key: "identity.key_file"},
	{key: "identity.cert_file"},
	{key: "identity.state_dir"},
}

// withoutRole is a profile whose own credentials would have to be served.
func withoutRole(l *layers) bool {
	return l.config.Credentials.IAMRole == "" && !l.config.Credentials.Mock && l.comparable("credentials.iam_role", "credentials.mock")
}

// refuseUnsupported reports the keys of the table that a source has set.
func (l *layers) refuseUnsupported() {
	standard := defaults(l.config)
	for _, u := range unsupported {
		at, ok := l.firstOrigin(u.key)
		if !ok || u.when != nil && !u.when(l) {
			continue
		}
		if !u.evenDefault && !l.broken[u.key] && same(find(l.config, u.key), find(standard, u.key)) {
			continue
		}
		text := u.text
		if text == "" {
			text = unsupportedText
		}
		l.problems.add(at, u.key, "%s", text)
	}
}

// firstOrigin is where a key was set, or, for a map of which only entries were set, the first of those.
func (l *layers) firstOrigin(path string) (origin, bool) {
	if at, ok := l.origins[path]; ok {
		return at, true
	}
	v := find(l.config, path)
	if v.Kind() != reflect.Map || v.Len() == 0 {
		return origin{}, false
	}
	entries := v.MapKeys()
	slices.SortFunc(entries, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return l.origins[join(path, entries[0].String())], true
}

// same compares two values of a key. No list and an empty one are the same.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map:
		return a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface())
	default:
		return a.Equal(b)
	}
}

// isUnsupported is true for keys that have no effect at all yet, so that the effective configuration leaves them out.
func isUnsupported(path string) bool {
	return slices.ContainsFunc(unsupported, func(u notYet) bool { return u.key == path && u.when == nil })
}
