package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOverrides_Precedence(t *testing.T) {
	const variable, empty = "MOCK_EC2_METADATA__LOG__LEVEL=error", "MOCK_EC2_METADATA__LOG__LEVEL="
	set := []string{"log.level=info", "log.level=debug"}
	for _, tt := range []struct {
		name         string
		environ, set []string
		want, origin string
	}{
		{name: "file", want: "warn", origin: "f.yaml:1"},
		{name: "variable", environ: []string{variable}, want: "error", origin: "MOCK_EC2_METADATA__LOG__LEVEL"},
		{name: "flags", set: set, want: "debug", origin: "--set"},
		{name: "variable and flags", environ: []string{variable}, set: set, want: "debug", origin: "--set"},
		{name: "empty variable", environ: []string{empty}, want: "info", origin: "default"},
		{name: "variable and empty flag", environ: []string{variable}, set: []string{"log.level="}, want: "info", origin: "default"},
		{
			name: "variable twice", environ: []string{variable, "MOCK_EC2_METADATA__LOG__LEVEL=info"},
			want: "info", origin: "MOCK_EC2_METADATA__LOG__LEVEL",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := mustLoad(t, "log: {level: warn}", tt.environ, tt.set)
			if l.Config.Log.Level != tt.want {
				t.Errorf("got %s, want %s", l.Config.Log.Level, tt.want)
			}
			if line := "  level: " + tt.want + " # " + tt.origin + "\n"; !strings.Contains(string(l.YAML()), line) {
				t.Errorf("no %q in\n%s", line, l.YAML())
			}
		})
	}
}

func TestOverrides_OptionsWinAndHaveTheirNameInMessages(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := Load(Sources{Set: []string{"log.level=warn"}, Options: []Option{{"--log-level", "log.level", "debug"}}})
	must(t, err)
	if l.Config.Log.Level != "debug" || !strings.Contains(string(l.YAML()), "level: debug # --log-level\n") {
		t.Errorf("got\n%s", l.YAML())
	}
	_, err = Load(Sources{Options: []Option{{"--log-level", "log.level", "loud"}, {"--listen", "server.listen", "[nonsense]"}}})
	expectError(t, err, `--log-level log.level: "loud" is not one of debug, info, warn, error
--listen server.listen: "nonsense" is not host:port; write e.g. 0.0.0.0:5000`)
}

func TestOverrides_ReplaceTheValuesOfTheFile(t *testing.T) {
	const file = `
credentials:
  session_tags: {a: file, b: file}
  transitive_tag_keys: [a, b]
server:
  listen: [127.0.0.1:1, 127.0.0.1:2]
`
	tests := []struct {
		arg    string // of --set; variable converts it
		change func(c *Config)
	}{
		{"ec2.hostname=a.b", func(c *Config) { c.EC2.Hostname = "a.b" }},
		{"ec2.hostname=null", func(c *Config) { c.EC2.Hostname = "null" }},
		{"ec2.metadata_options.http_tokens=required", func(c *Config) { c.EC2.MetadataOptions.HTTPTokens = "required" }},
		{"credentials.duration=2h", func(c *Config) { c.Credentials.Duration = 2 * time.Hour }},
		{"credentials.external_id=a=b", func(c *Config) { c.Credentials.ExternalID = "a=b" }},
		{`credentials.policy={"a": ["b"]}`, func(c *Config) { c.Credentials.Policy = `{"a": ["b"]}` }},
		{"log.access=false", func(c *Config) { c.Log.Access = false }},
		{"server.listen=[127.0.0.1:80, '[::1]:80']", func(c *Config) { c.Server.Listen = []string{"127.0.0.1:80", "[::1]:80"} }},
		{"server.listen=127.0.0.1:80", func(c *Config) { c.Server.Listen = []string{"127.0.0.1:80"} }},
		{"server.listen=[::1]:80", func(c *Config) { c.Server.Listen = []string{"[::1]:80"} }},
		{"server.listen=", func(c *Config) { c.Server.Listen = []string{DefaultListen} }},
		{"credentials.transitive_tag_keys=[]", func(c *Config) { c.Credentials.TransitiveTagKeys = nil }},
		{"credentials.session_tags.a=set", func(c *Config) { c.Credentials.SessionTags["a"] = "set" }},
		{"credentials.session_tags.Name=null", func(c *Config) { c.Credentials.SessionTags["Name"] = "null" }},
		{"credentials.session_tags={a: x, b: y}", func(c *Config) { c.Credentials.SessionTags = map[string]string{"a": "x", "b": "y"} }},
		{"ec2.tags={}", func(*Config) {}},
		{"metadata=", func(*Config) {}},
		{"metadata.meta-data/ami-id=", func(*Config) {}},
		{"server.allow_clients=", func(*Config) {}},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			want := mustLoad(t, file, nil, nil).Config
			tt.change(want)
			expectConfig(t, mustLoad(t, file, nil, []string{tt.arg}).Config, want)
			expectConfig(t, mustLoad(t, file, []string{variable(tt.arg)}, nil).Config, want)
		})
	}
}

// variable converts an argument of --set to a variable. Keys are in capitals, entries of maps are not.
func variable(arg string) string {
	path, value, _ := strings.Cut(arg, "=")
	parts := strings.Split(path, ".")
	for i := range parts {
		if i == 0 || parts[i-1] != "SESSION_TAGS" && parts[0] != "METADATA" {
			parts[i] = strings.ToUpper(parts[i])
		}
	}
	return "MOCK_EC2_METADATA__" + strings.Join(parts, "__") + "=" + value
}

func TestOverrides_AddAndRemoveEntriesOfMaps(t *testing.T) {
	l := mustLoad(t, "ec2: {tags: {a: file, b: file}}", nil, []string{"ec2.tags.b=", "ec2.tags.c.d=set"})
	if diff := cmp.Diff(map[string]string{"a": "file", "c.d": "set"}, l.Config.EC2.Tags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOverrides_NullRemovesMetadataAndEmptyRemovesTheEntry(t *testing.T) {
	l := mustLoad(t, "metadata: {meta-data/a: file, meta-data/b: file, meta-data/c: ~, meta-data/d: ''}",
		[]string{"MOCK_EC2_METADATA__METADATA__dynamic/x__y=environment", "MOCK_EC2_METADATA__METADATA__meta-data/e=~"},
		[]string{"metadata.meta-data/a=", "metadata.meta-data/b=null", "metadata.meta-data/c=set", "metadata.meta-data/x.y=set"},
	)
	empty, set, environment := "", "set", "environment"
	want := map[string]*string{
		"meta-data/b": nil, "meta-data/c": &set, "meta-data/d": &empty, "meta-data/e": nil,
		"dynamic/x__y": &environment, "meta-data/x.y": &set,
	}
	if diff := cmp.Diff(want, l.Config.Metadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOverrides_LeaveOtherUsesOfAnAnchorAlone(t *testing.T) {
	const file = `
credentials: {session_tags: &tags {a: file, b: file}}
ec2: {tags: *tags}
`
	l := mustLoad(t, file, nil, []string{"credentials.session_tags.a=one", "ec2.tags.b=two"})
	if diff := cmp.Diff(map[string]string{"a": "one", "b": "file"}, l.Config.Credentials.SessionTags); diff != "" {
		t.Errorf("where the anchor is (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "file", "b": "two"}, l.Config.EC2.Tags); diff != "" {
		t.Errorf("where the alias is (-want +got):\n%s", diff)
	}
}

func TestOverrides_KeepErrorsInTheStructureOfTheFile(t *testing.T) {
	const file = `
ec2: [hello]
credentials: {session_tags: a}
log:
  level: warn
  level: error
`
	_, err := loadText(file, nil, []string{"ec2.metadata_options.http_tokens=required", "credentials.session_tags.a=b", "log.level=info"})
	want := `f.yaml:2: ec2: want a block of keys, but this is a list; ` + strings.Replace(ec2Keys, "allowed in ec2", "allowed here", 1) + `
f.yaml:3: credentials.session_tags: want a block of "key: value" lines, but this is a single value
f.yaml:6: log.level: set a second time; the first is in line 5`
	expectError(t, err, want)
}

func TestOverrides_IgnoreOtherVariables(t *testing.T) {
	environ := []string{
		"MOCK_EC2_METADATA_PORT=tcp://10.0.0.1:80", "MOCK_EC2_METADATA_SERVICE_HOST=10.0.0.1", "MOCK_EC2_METADATA_CONFIG=x",
		"XMOCK_EC2_METADATA__A=b", "mock_ec2_metadata__a=b", "=C:=C:\\", "", "MOCK_EC2_METADATA__",
	}
	expectConfig(t, mustLoad(t, "", environ, nil).Config, allDefaults())
}

func TestOverrides_RefuseWrongFlags(t *testing.T) {
	for arg, want := range map[string]string{
		"ec2.foo=1":                             "--set ec2.foo: unknown key; " + ec2Keys,
		"ec2.private_ip=1":                      "--set ec2.private_ip: unknown key; did you mean local_ipv4? " + ec2Keys,
		"ec2.hostname.x=1":                      "--set ec2.hostname.x: unknown key; ec2.hostname has no keys below it; set it as a whole",
		"ec2.network_interfaces.0=1":            "--set ec2.network_interfaces.0: unknown key; ec2.network_interfaces has no keys below it; set it as a whole",
		"ec2=1":                                 "--set ec2: is a block; set one of its keys: " + strings.TrimPrefix(ec2Keys, "allowed in ec2: "),
		"ec2.=1":                                "--set ec2.: unknown key; " + ec2Keys,
		"log.level":                             `--set "log.level": write it as key.path=value, e.g. ec2.instance_id=i-0123456789abcdef0`,
		"=x":                                    `--set "": write it as key.path=value, e.g. ec2.instance_id=i-0123456789abcdef0`,
		"log.access=1":                          `--set log.access: "1" is neither true nor false`,
		"credentials.duration=60":               `--set credentials.duration: "60" has no unit; write e.g. 60s, 15m or 1h`,
		"server.listen=80":                      `--set server.listen: "80" is not host:port; write e.g. 0.0.0.0:5000`,
		"server.listen=[a, {b: c}]":             "--set server.listen: \"a\" is not host:port; write e.g. 0.0.0.0:5000\n--set server.listen[1]: want a text, but this is a block of keys",
		"server.listen=['a]":                    "--set server.listen: not valid YAML: found unexpected end of stream",
		"credentials.session_tags=a":            `--set credentials.session_tags: want a block of "key: value" lines, but this is a single value`,
		"credentials.session_tags={a: 1, a: 2}": "--set credentials.session_tags.a: set a second time",
		"credentials.session_tags.=1":           "--set credentials.session_tags: a key must not be empty",
		"ec2.hostname=\xff":                     "--set ec2.hostname: not UTF-8 text",
		"credentials.external_id=my secret":     "--set credentials.external_id: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-",
		"metadata.user-data/x=1":                "--set metadata.user-data/x: neither user-data nor a path below meta-data/ or dynamic/",
	} {
		t.Run(arg, func(t *testing.T) {
			_, err := loadText("", nil, []string{arg})
			expectError(t, err, want)
		})
	}
}

func TestOverrides_RefuseWrongVariables(t *testing.T) {
	for variable, want := range map[string]string{
		"MOCK_EC2_METADATA__EC2__FOO=1":        "MOCK_EC2_METADATA__EC2__FOO: ec2.foo: unknown key; " + ec2Keys,
		"MOCK_EC2_METADATA__EC2=1":             "MOCK_EC2_METADATA__EC2: ec2: is a block; set one of its keys: " + strings.TrimPrefix(ec2Keys, "allowed in ec2: "),
		"MOCK_EC2_METADATA__LOG__LEVEL=trace":  `MOCK_EC2_METADATA__LOG__LEVEL: log.level: "trace" is not one of debug, info, warn, error`,
		"MOCK_EC2_METADATA__EC2__TAGS__a/b=me": "MOCK_EC2_METADATA__EC2__TAGS__a/b: ec2.tags.a/b: not a tag key that instance metadata can hold; it has letters, digits and +=.,_:@-, or set ec2.metadata_options.instance_metadata_tags to disabled",
	} {
		t.Run(variable, func(t *testing.T) {
			_, err := loadText("", []string{variable}, nil)
			expectError(t, err, want)
		})
	}
}

func TestLoad_SortsProblemsBySource(t *testing.T) {
	_, err := loadText("log:\n  level: a\n  format: b\n",
		[]string{"MOCK_EC2_METADATA__EC2__HOSTNAME=a b", "MOCK_EC2_METADATA__AWS__REGION=x"},
		[]string{"server.listen=z", "credentials.duration=z"})
	want := `f.yaml:2: log.level: "a" is not one of debug, info, warn, error
f.yaml:3: log.format: "b" is not one of text, json
MOCK_EC2_METADATA__AWS__REGION: aws.region: "x" is not a region; write e.g. us-east-1
MOCK_EC2_METADATA__EC2__HOSTNAME: ec2.hostname: "a b" holds a space or a control character
--set server.listen: "z" is not host:port; write e.g. 0.0.0.0:5000
--set credentials.duration: "z" is not a duration; write e.g. 1h, 15m or 90s`
	expectError(t, err, want)
}
