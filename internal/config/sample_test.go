package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	samplePath    = "../../conf/sample-config.yaml"
	referencePath = "../../docs/configuration.md"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSampleLoads(t *testing.T) {
	l, err := Load(Sources{File: samplePath})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

// Keys that are commented out, and lines of examples. Sentences in comments start with a capital letter.
var (
	commentedKey = regexp.MustCompile(`(?m)^( *)# ([a-z0-9_]+:)`)
	exampleLine  = regexp.MustCompile(`(?m)^( *)#   ( *\S)`)
)

func TestSampleLoadsUncommented(t *testing.T) {
	uncommented := commentedKey.ReplaceAllString(read(t, samplePath), "$1$2")
	l := mustLoad(t, uncommented, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
	want, err := Load(Sources{File: samplePath})
	if err != nil {
		t.Fatal(err)
	}
	// What is commented out shows the defaults, so it changes nothing.
	if diff := cmp.Diff(want.Config, l.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, key := range schemaKeys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		inExample := ""
		if strings.Contains(key, "[]") {
			inExample = `#[ -]+`
		}
		if !regexp.MustCompile(`(?m)^ *` + inExample + last + `:`).MatchString(uncommented) {
			t.Errorf("the sample has no %s", key)
		}
	}
}

// TestSampleExamples takes the examples in, all at once. They show every key of the lists.
func TestSampleExamples(t *testing.T) {
	content := exampleLine.ReplaceAllString(read(t, samplePath), "$1$2")
	l := mustLoad(t, content, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
	for _, key := range []string{"metadata", "ec2.network_interfaces", "ec2.key_pairs", "ec2.block_devices", "ec2.tags", "ec2.user_data"} {
		if find(l.Config, key).Len() == 0 {
			t.Errorf("no example of %s", key)
		}
	}
	// The values that are only in the text, with the examples.
	for key, value := range map[string]string{
		"aws.availability_zone_id": "apse2-az1", "aws.domain": "amazonaws.com.cn", "ec2.public_ipv4": "203.0.113.10",
		"ec2.ipv6": "2001:db8:1234:1a00::10", "ec2.mac": "0a:1b:2c:3d:4e:5f", "ec2.interface_id": "eni-0123456789abcdef0",
		"ec2.vpc_id": "vpc-0123456789abcdef0", "ec2.subnet_id": "subnet-0123456789abcdef0", "ec2.vpc_ipv4_cidr_blocks": "[10.0.0.0/16]",
		"ec2.vpc_ipv6_cidr_blocks": `["2001:db8:1234:1a00::/56"]`, "ec2.subnet_ipv4_cidr_block": "10.0.0.0/20",
		"ec2.subnet_ipv6_cidr_blocks": `["2001:db8:1234:1a00::/64"]`, "ec2.security_group_ids": "[sg-0123456789abcdef0]",
		"ec2.reservation_id": "r-0123456789abcdef0", "ec2.pending_time": "2025-01-31T12:00:00Z", "ec2.placement.host_id": "h-0123456789abcdef0",
	} {
		if !regexp.MustCompile(`(?m)^ +# .*[Ss]uch as ` + regexp.QuoteMeta(value) + `\..*$`).MatchString(content) {
			t.Errorf("%s: the sample does not say: such as %s", key, value)
		}
		if l = mustLoad(t, content, nil, []string{key + "=" + value}); len(l.Warnings) > 0 {
			t.Errorf("%s: warnings: %q", key, l.Warnings)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	reference := read(t, referencePath)
	for _, key := range schemaKeys() {
		if !strings.Contains(reference, "| `"+key+"` |") {
			t.Errorf("%s has no row for %s", referencePath, key)
		}
	}
}

// TestRulesNameKeys finds rules for keys that do not exist, and texts without a rule.
func TestRulesNameKeys(t *testing.T) {
	exists := map[string]bool{}
	for _, key := range schemaKeys() {
		// Lists and maps of texts are one key of the schema, and have a rule for their elements.
		for _, suffix := range []string{"", "[]", ".*"} {
			exists[key+suffix] = true
		}
	}
	for _, table := range []map[string]rule{textErrors, entryErrors, textWarnings} {
		for key := range table {
			if !exists[key] {
				t.Errorf("a rule for %s, which does not exist", key)
			}
		}
	}
}
