package config

import (
	"fmt"
	"strings"
	"testing"
)

// bad is a file that does not load and the error. Both start in the line after the quote.
type bad struct {
	name, yaml, want string
}

// ec2Keys is the end of a message about an unknown key in ec2.
const ec2Keys = "allowed in ec2: local_ipv4, instance_id, image_id, instance_type, architecture, hostname, hostname_type, local_ipv4s, public_ipv4, public_ipv4s, public_hostname, ipv6, ipv6s, ipv4_prefixes, ipv6_prefixes, mac, interface_id, vpc_id, subnet_id, vpc_ipv4_cidr_blocks, vpc_ipv6_cidr_blocks, subnet_ipv4_cidr_block, subnet_ipv6_cidr_blocks, security_groups, security_group_ids, network_interfaces, reservation_id, ami_launch_index, life_cycle, monitoring, pending_time, placement, product_codes, key_pairs, block_devices, tags, user_data, user_data_file, user_data_base64, metadata_options"

// check loads the file and compares the error.
func (b bad) check(t *testing.T) {
	t.Run(b.name, func(t *testing.T) {
		_, err := loadText(strings.TrimPrefix(b.yaml, "\n"), nil, nil)
		expectError(t, err, strings.TrimPrefix(b.want, "\n"))
	})
}

func TestLoad_RefusesWrongSyntaxKeysAndTypes(t *testing.T) {
	for _, b := range []bad{
		{"not YAML: indentation", `
ec2:
  hostname: a
 image_id: b`, `
f.yaml:3: not valid YAML: did not find expected key`},
		{"not YAML: open quote", `
log:
  level: "info
  format: text`, `
f.yaml:2: not valid YAML: found unexpected end of stream`},
		{"not YAML: tab", "log:\n\tlevel: info\n", `
f.yaml:2: not valid YAML: a tab in the indentation; use spaces`},
		{"not YAML: unknown anchor", `
log:
  level: *none`, `
f.yaml:2: not valid YAML: unknown anchor 'none' referenced`},
		{"not YAML: control character", "log: {}\nec2: {hostname: \x01}\n", `
f.yaml:2: not valid YAML: control characters are not allowed`},
		{"second document", `
log: {level: info}
---
log: {level: debug}`, `
f.yaml:2: a second YAML document starts here; put everything into one`},
		{"top is a list", `
- log`, `
f.yaml:1: want a block of keys, but this is a list; allowed here: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics`},
		{"top is a text", `
hello`, `
f.yaml:1: want a block of keys, but this is a single value; allowed here: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics`},
		{"unknown block", `
ec3: {}`, `
f.yaml:1: ec3: unknown key; did you mean ec2? allowed at the top: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics`},
		{"unknown key", `
ec2:
  colour: red`, `
f.yaml:2: ec2.colour: unknown key; ` + ec2Keys},
		{"unknown key, near miss", `
ec2:
  instanceid: i-0123456789abcdef0
  Hostname: a`, `
f.yaml:2: ec2.instanceid: unknown key; did you mean instance_id? ` + ec2Keys + `
f.yaml:3: ec2.Hostname: unknown key; did you mean hostname? ` + ec2Keys},
		{"unknown key, other name", `
ec2:
  private_ip: 10.0.0.1`, `
f.yaml:2: ec2.private_ip: unknown key; did you mean local_ipv4? ` + ec2Keys},
		{"unknown key, other block", `
hostname: a
ec2:
  region: us-east-1`, `
f.yaml:1: hostname: unknown key; did you mean ec2.hostname? allowed at the top: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics
f.yaml:3: ec2.region: unknown key; did you mean aws.region? ` + ec2Keys},
		{"unknown key with odd characters", `
"a\nb": 1`, `
f.yaml:1: "a\nb": unknown key; allowed at the top: credentials, aws, ec2, metadata, roles, clients, containers, ecs, pod_identity, kubernetes, events, faults, server, identity, log, metrics`},
		{"key twice", `
log:
  level: info
  level: debug`, `
f.yaml:3: log.level: set a second time; the first is in line 2`},
		{"block twice", `
log: {level: info}
aws: {}
log: {level: debug}`, `
f.yaml:3: log: set a second time; the first is in line 1`},
		{"entry twice", `
credentials:
  session_tags:
    a: 1
    a: 2`, `
f.yaml:4: credentials.session_tags.a: set a second time; the first is in line 3`},
		{"merge key", `
log: &l
  level: info
aws:
  <<: *l`, `
f.yaml:4: aws.<<: merge keys are not supported; write the keys out`},
		{"key is a list", `
log:
  ? [a]
  : b`, `
f.yaml:2: log: a key must be a word, but this is a list`},
		{"key is empty", `
log:
  "": b`, `
f.yaml:2: log: a key must not be empty`},
		{"tag", `
log:
  level: !!str info`, `
f.yaml:2: log.level: remove the tag !!str; the type of every key is fixed`},
		{"block wanted", `
log: info`, `
f.yaml:1: log: want a block of keys, but this is a single value; allowed here: level, format, access`},
		{"block wanted, list given", `
log: [info]`, `
f.yaml:1: log: want a block of keys, but this is a list; allowed here: level, format, access`},
		{"text wanted", `
log:
  level: [info]`, `
f.yaml:2: log.level: want a text, but this is a list`},
		{"text wanted, block given", `
log:
  level: {info: true}`, `
f.yaml:2: log.level: want a text, but this is a block of keys`},
		{"map wanted", `
credentials:
  session_tags: [a]`, `
f.yaml:2: credentials.session_tags: want a block of "key: value" lines, but this is a list`},
		{"map of texts wanted", `
credentials:
  session_tags:
    a: [b]`, `
f.yaml:3: credentials.session_tags.a: want a text, but this is a list`},
		{"list wanted", `
server:
  listen: 127.0.0.1:80`, `
f.yaml:2: server.listen: want a list, but this is a single value; write ["127.0.0.1:80"]`},
		{"empty element", `
server:
  listen:
    - 127.0.0.1:80
    -`, `
f.yaml:4: server.listen: an element of the list is empty`},
		{"alias to itself", `
server: &s
  listen: [*s]`, `
f.yaml:2: server.listen[0]: want a text, but this is a block of keys`},
		{"duration without unit", `
credentials:
  duration: 3600`, `
f.yaml:2: credentials.duration: "3600" has no unit; write e.g. 3600s, 15m or 1h`},
		{"duration", `
credentials:
  duration: 1 hour`, `
f.yaml:2: credentials.duration: "1 hour" is not a duration; write e.g. 1h, 15m or 90s`},
		{"boolean", `
log:
  access: yes`, `
f.yaml:2: log.access: "yes" is neither true nor false`},
		{"number", `
ec2:
  metadata_options:
    http_put_response_hop_limit: 0x10`, `
f.yaml:3: ec2.metadata_options.http_put_response_hop_limit: "0x10" is not a whole decimal number`},
		{"number too large", `
ec2:
  metadata_options:
    http_put_response_hop_limit: 99999999999999999999`, `
f.yaml:3: ec2.metadata_options.http_put_response_hop_limit: "99999999999999999999" is not a whole decimal number`},
	} {
		b.check(t)
	}
}

func TestLoad_ErrorsInLargeFilesNameTheirLine(t *testing.T) {
	text := &strings.Builder{}
	text.WriteString("metadata:\n")
	for i := range 128 {
		fmt.Fprintf(text, "  meta-data/large/%d: \"value %d\"\n", i, i)
	}
	l := mustLoad(t, text.String(), nil, nil)
	if got := l.Config.Metadata["meta-data/large/100"]; got == nil || *got != "value 100" || len(l.Config.Metadata) != 128 {
		t.Error(got, len(l.Config.Metadata))
	}
	for add, want := range map[string]string{
		"  meta-data/large/7: x\n": "f.yaml:130: metadata.meta-data/large/7: set a second time; the first is in line 9",
		"  meta-data/large/7/x: y\n": "f.yaml:130: metadata.meta-data/large/7/x: nothing can be below metadata.meta-data/large/7, which has a value; " +
			"keep one of them",
		"  \"\n": "f.yaml:130: not valid YAML: found unexpected end of stream",
	} {
		t.Run(add, func(t *testing.T) {
			_, err := loadText(text.String()+add, nil, nil)
			expectError(t, err, want)
		})
	}
}
