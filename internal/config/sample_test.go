package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const (
	samplePath    = "../../conf/sample-config.yaml"
	referencePath = "../../docs/configuration.md"
)

func TestSample_Loads(t *testing.T) {
	l, err := Load(Sources{File: samplePath})
	must(t, err)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

// Keys that are commented out and lines of examples, unlike sentences, do not start with a capital letter.
var (
	commentedKey = regexp.MustCompile(`(?m)^( *)# ([a-z0-9_]+:)`)
	exampleLine  = regexp.MustCompile(`(?m)^( *)#   ( *\S)`)
)

func TestSample_CommentedKeysShowDefaults(t *testing.T) {
	uncommented := commentedKey.ReplaceAllString(read(t, samplePath), "$1$2")
	l := mustLoad(t, uncommented, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
	want, err := Load(Sources{File: samplePath})
	must(t, err)
	expectConfig(t, l.Config, want.Config)
	for _, key := range schemaKeys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		inExample := ""
		if strings.Contains(key, "[]") {
			inExample = `#(   .*[ {])?[ -]*` // in a block, or in braces
		}
		if !regexp.MustCompile(`(?m)^ *` + inExample + last + `:`).MatchString(uncommented) {
			t.Errorf("the sample has no %s", key)
		}
	}
}

// All examples are valid together. They show every key of the lists.
func TestSample_ExamplesLoad(t *testing.T) {
	content := exampleLine.ReplaceAllString(read(t, samplePath), "$1$2")
	l := mustLoad(t, content, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
	for _, key := range []string{"metadata", "ec2.network_interfaces", "ec2.key_pairs", "ec2.block_devices", "ec2.tags", "ec2.user_data"} {
		if !l.scope.has(key) {
			t.Errorf("no example of %s", key)
		}
	}
	if c := l.Config; len(c.ECS.Containers) == 0 || len(c.PodIdentity.Associations) == 0 {
		t.Errorf("no example of ecs.containers or pod_identity.associations: %v, %v", c.ECS, c.PodIdentity)
	}
	if c := l.Config; len(c.Events) == 0 || len(c.Faults) == 0 {
		t.Errorf("no example of events or faults: %v, %v", c.Events, c.Faults)
	}
	if c := l.Config; len(c.Roles) == 0 || len(c.Clients) == 0 || c.Containers.Engine == "" || len(c.Containers.Allow) == 0 {
		t.Errorf("no example of roles, clients or containers: %v, %v, %v", c.Roles, c.Clients, c.Containers)
	}
	// Values that only the text shows are valid together with the examples.
	for key, value := range map[string]string{
		"aws.availability_zone_id": "apse2-az1", "aws.domain": "amazonaws.com.cn", "ec2.public_ipv4": "203.0.113.10",
		"ec2.ipv6": "2001:db8:1234:1a00::10", "ec2.mac": "0a:1b:2c:3d:4e:5f", "ec2.interface_id": "eni-0123456789abcdef0",
		"ec2.vpc_id": "vpc-0123456789abcdef0", "ec2.subnet_id": "subnet-0123456789abcdef0", "ec2.vpc_ipv4_cidr_blocks": "[10.0.0.0/16]",
		"ec2.vpc_ipv6_cidr_blocks": `["2001:db8:1234:1a00::/56"]`, "ec2.subnet_ipv4_cidr_block": "10.0.0.0/20",
		"ec2.subnet_ipv6_cidr_blocks": `["2001:db8:1234:1a00::/64"]`, "ec2.security_group_ids": "[sg-0123456789abcdef0]",
		"server.control_listen": "127.0.0.1:5002", "metrics.listen": "127.0.0.1:5080", "ec2.reservation_id": "r-0123456789abcdef0", "ec2.pending_time": "2025-01-31T12:00:00Z", "ec2.placement.host_id": "h-0123456789abcdef0",
	} {
		if !regexp.MustCompile(`(?m)^ +# .*[Ss]uch as ` + regexp.QuoteMeta(value) + `\..*$`).MatchString(content) {
			t.Errorf("%s: the sample does not say: such as %s", key, value)
		}
		if l = mustLoad(t, content, nil, []string{key + "=" + value}); len(l.Warnings) > 0 {
			t.Errorf("%s: warnings: %q", key, l.Warnings)
		}
	}
}

func TestReference_HasEveryKey(t *testing.T) {
	reference := read(t, referencePath)
	for _, key := range schemaKeys() {
		if !strings.Contains(reference, "| `"+key+"` |") {
			t.Errorf("%s has no row for %s", referencePath, key)
		}
	}
}

// Every tag names a rule, every text has one, and every rule has a text.
func TestSchema_RulesAndTextsMatch(t *testing.T) {
	used := map[string]bool{}
	var walk func(block reflect.Type)
	walk = func(block reflect.Type) {
		for _, f := range fieldsOf(block) {
			element := f.typ
			if k := f.typ.Kind(); k == reflect.Slice || k == reflect.Map || k == reflect.Pointer {
				element = f.typ.Elem()
			}
			if element.Kind() == reflect.Struct {
				used[f.tag.Get("key")] = true
				walk(element)
				continue
			}
			if element.Kind() == reflect.String && f.tag.Get("is") == "" && f.tag.Get("oneof") == "" && (f.typ.Kind() != reflect.Map || f.tag.Get("key") == "") {
				t.Errorf("%s in %s has no rule", f.key, block)
			}
			for _, name := range []string{f.tag.Get("is"), f.tag.Get("odd"), f.tag.Get("key")} {
				if used[name] = true; name != "" && rules[name] == nil {
					t.Errorf("%s in %s has the rule %q, which does not exist", f.key, block, name)
				}
			}
		}
	}
	walk(configType)
	for name := range rules {
		if !used[name] {
			t.Errorf("no key has the rule %q", name)
		}
	}
}
