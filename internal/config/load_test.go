package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestLoad_EmptyKeysHaveTheirDefaults(t *testing.T) {
	for _, content := range []string{
		"", "\n", "# a comment\n", "---\n", "---\n# a comment\n", "{}", "~", "null\n...\n", "\ufeff",
		"ec2:\naws: ~\nlog: null\n", "ec2: {metadata_options: }\n", "ec2:\n  hostname: ''\n  instance_id: ~\n",
		"credentials: {session_tags: {}, policy_arns: [], duration: ''}\nmetadata:\n", "ec2: {tags: {}, life_cycle: on-demand}",
		"server: {listen: ~}\nlog: {access: }",
	} {
		t.Run(content, func(t *testing.T) {
			l := mustLoad(t, content, nil, nil)
			expectConfig(t, l.Config, allDefaults())
			if len(l.Warnings) > 0 {
				t.Errorf("warnings %q", l.Warnings)
			}
		})
	}
}

func TestLoad_EmptyIsAFileWithoutKeys(t *testing.T) {
	for text, want := range map[string]bool{"": true, "# nothing\n": true, "---\n": true, "~": true, "ec2:\n": false, "{}": false} {
		t.Run(text, func(t *testing.T) {
			if got := mustLoad(t, text, nil, nil).Empty; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestLoad_TextsStayAsWritten(t *testing.T) {
	c := mustLoad(t, `
credentials: {iam_role: "arn:aws:iam::012345678901:role/a/b/c", session_name: &name 0x10, source_identity: *name}
aws: {account_id: 012345678901}
ec2:
  hostname: yes
  instance_id: 1.50
  image_id: "2024-01-01"
`, nil, nil).Config
	got := []string{c.Credentials.SessionName, c.Credentials.SourceIdentity, c.AWS.AccountID, c.EC2.Hostname, c.EC2.InstanceID, c.EC2.ImageID}
	want := []string{"0x10", "0x10", "012345678901", "yes", "1.50", "2024-01-01"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_AcceptsBlockScalars(t *testing.T) {
	const content = "ec2:\n  key_pairs:\n    - name: k\n      public_key: |\n        ssh-ed25519 AAAAC3Nz me\n  user_data_base64: >-\n    aGVs\n    bG8=\n"
	if got := string(mustLoad(t, content, nil, nil).UserData); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestLoad_ReadsTheEmbeddedDefaultWithoutAFile(t *testing.T) {
	l := loadEmbedded(t)
	want := allDefaults()
	want.Credentials.Mock = true
	want.Credentials.IAMRole = "arn:aws:iam::123456789012:role/mock-role"
	expectConfig(t, l.Config, want)
	if l.File != "" || len(l.Warnings) > 0 {
		t.Errorf("file %q, warnings %q", l.File, l.Warnings)
	}
	if !strings.Contains(string(l.YAML()), "  mock: true # embedded default\n") {
		t.Errorf("no origin of mock in\n%s", l.YAML())
	}
}

func TestLoad_EmbeddedDefaultFollowsRegionAndRole(t *testing.T) {
	l := loadEmbedded(t, "aws.region=eu-west-1", "credentials.iam_role=arn:aws:iam::210987654321:role/r")
	want := AWS{AccountID: "210987654321", Region: "eu-west-1", AvailabilityZone: "eu-west-1a"}
	if diff := cmp.Diff(want, l.Config.AWS); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_SourceProfileReplacesTheEmbeddedMock(t *testing.T) {
	const role, profile = "credentials.iam_role=arn:aws:iam::123456789012:role/myrole", "credentials.source_profile=default"
	for _, tt := range []struct {
		name     string
		set      []string
		mock     bool
		wantRole string
	}{
		{name: "nothing", mock: true, wantRole: "arn:aws:iam::123456789012:role/mock-role"},
		{name: "a role", set: []string{role}, mock: true, wantRole: "arn:aws:iam::123456789012:role/myrole"},
		{name: "a role and a profile", set: []string{role, profile}, wantRole: "arn:aws:iam::123456789012:role/myrole"},
		{name: "a role, a profile and mock", set: []string{role, profile, "credentials.mock=true"}, mock: true, wantRole: "arn:aws:iam::123456789012:role/myrole"},
		{name: "a profile", set: []string{profile}},
		{name: "a profile that is removed again", set: []string{profile, "credentials.source_profile="}, mock: true, wantRole: "arn:aws:iam::123456789012:role/mock-role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := loadEmbedded(t, tt.set...).Config.Credentials; got.Mock != tt.mock || got.IAMRole != tt.wantRole {
				t.Errorf("mock %v, role %s; want %v, %s", got.Mock, got.IAMRole, tt.mock, tt.wantRole)
			}
		})
	}
}

func TestLoad_SourceProfileInAVariableReplacesTheEmbeddedMock(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := Load(Sources{Environ: []string{"MOCK_EC2_METADATA__CREDENTIALS__SOURCE_PROFILE=default"}})
	must(t, err)
	if c := l.Config.Credentials; c.Mock || c.IAMRole != "" || l.Empty {
		t.Errorf("got %+v, empty %v", c, l.Empty)
	}
}

// The file is the sample of the program that this one replaces.
func TestLoad_AcceptsTheOriginalSample(t *testing.T) {
	path := "testdata/original-sample.yaml"
	l, err := Load(Sources{File: path})
	must(t, err)
	wantWarnings := []string{
		path + `:4: credentials.iam_role: "arn:aws:iam::1234567890:role/myrole" is not in an account as AWS numbers them, with 12 digits`,
		path + `:6: aws.account_id: "1234567890" is not an account id as AWS gives them, of 12 digits`,
		path + `:10: ec2.local_ipv4: 127.0.0.1 is a loopback address; an instance has one of its VPC, e.g. 10.0.0.10`,
		path + `:11: ec2.instance_id: "i-xx-instance-id-xx" is not an instance id as EC2 gives them, i- and 17 hexadecimal digits`,
		path + `:12: ec2.image_id: "i-xx-image-id-xx" is not an image id as EC2 gives them, ami- and 17 hexadecimal digits`,
	}
	if diff := cmp.Diff(wantWarnings, l.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	want := allDefaults()
	want.Credentials.SourceProfile = "default"
	want.Credentials.IAMRole = "arn:aws:iam::1234567890:role/myrole"
	want.AWS = AWS{AccountID: "1234567890", Region: "ap-southeast-2", AvailabilityZone: "ap-southeast-2a"}
	want.EC2.LocalIPv4 = "127.0.0.1"
	want.EC2.InstanceID = "i-xx-instance-id-xx"
	want.EC2.ImageID = "i-xx-image-id-xx"
	want.EC2.InstanceType = "t3.nano"
	want.EC2.Hostname = "ec2-hostname"
	expectConfig(t, l.Config, want)
	if l.File != path {
		t.Errorf("file %q", l.File)
	}
}

func TestSourcesPath(t *testing.T) {
	environ := []string{"HOME=/", "MOCK_EC2_METADATA_CONFIG=/from/environment"}
	for _, tt := range []struct {
		name        string
		sources     Sources
		defaultFile bool // exists, as a broken link
		want        string
	}{
		{name: "nothing"},
		{name: "an empty variable", sources: Sources{Environ: []string{"MOCK_EC2_METADATA_CONFIG="}}},
		{name: "a variable", sources: Sources{Environ: environ}, want: "/from/environment"},
		{name: "a flag and a variable", sources: Sources{File: "/from/flag", Environ: environ}, want: "/from/flag"},
		{name: "the default file", defaultFile: true, want: DefaultFile},
		{name: "the default file and a variable", sources: Sources{Environ: environ}, defaultFile: true, want: "/from/environment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tt.defaultFile {
				must(t, os.Mkdir(filepath.Dir(DefaultFile), 0o700))
				must(t, os.Symlink("nowhere", DefaultFile))
			}
			if got := tt.sources.Path(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoad_RefusesUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	latin1 := testutil.WriteTemp(t, "latin1.yaml", "log: {level: \xe4}\n")
	large := testutil.WriteTemp(t, "large.yaml", strings.Repeat("# filler\n", 1<<21))
	below := filepath.Join(latin1, "below.yaml")
	tests := map[string]string{
		missing: missing + ": no such file; copy conf/sample-config.yaml there and change it, or name another file with --config or MOCK_EC2_METADATA_CONFIG",
		dir:     dir + ": is a directory; name a file in it",
		latin1:  latin1 + ": not UTF-8 text",
		large:   large + ": larger than 16 MiB; this is not a configuration file",
		below:   below + ": cannot be read: not a directory",
	}
	if os.Getuid() > 0 {
		locked := testutil.WriteTemp(t, "locked.yaml", "")
		must(t, os.Chmod(locked, 0))
		tests[locked] = locked + ": cannot be read: permission denied"
	}
	for path, want := range tests {
		t.Run(filepath.Base(path), func(t *testing.T) {
			for _, src := range []Sources{{File: path}, {Environ: []string{"MOCK_EC2_METADATA_CONFIG=" + path}}} {
				_, err := Load(src)
				expectError(t, err, want)
			}
		})
	}
}

func TestLoad_AcceptsAFileOfTheLargestSize(t *testing.T) {
	const key = "ec2: {hostname: large}\n"
	path := testutil.WriteTemp(t, "f.yaml", key+"#"+strings.Repeat("x", maxFileSize-len(key)-1))
	l, err := Load(Sources{File: path})
	must(t, err)
	if got := l.Config.EC2.Hostname; got != "large" {
		t.Errorf("got %q", got)
	}
}

func TestLoad_RefusesHugeStructuresQuickly(t *testing.T) {
	item := "&a [" + strings.Repeat("x,", 1000) + "]"
	for name, content := range map[string]string{
		"aliases of aliases":     "ec2:\n  network_interfaces:\n  - &n {local_ipv4s: " + item + "}\n" + strings.Repeat("  - *n\n", 10_000),
		"nested lists":           "log: " + strings.Repeat("[", 20_000),
		"nested mappings":        strings.Repeat("{a: ", 20_000),
		"an alias to itself":     "server: &s\n  listen: *s\nlog: *s\n",
		"unknown keys":           strings.Repeat("k: 1\n", 50_000) + "z: 1\n",
		"keys that are lists":    "log: {" + strings.Repeat("? [a] : 1, ", 50_000) + "}",
		"long lines, open quote": strings.Repeat("k: ["+strings.Repeat("x,", 3000)+"]\n", 399) + "z: '",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := loadText(content, nil, nil); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > time.Minute { // without a bound it would be hours
				t.Errorf("took %s", took)
			}
		})
	}
}

// The embedded default gives way to a profile, since its credentials are invented. A text that somebody has written does not.
func TestLoad_TextIsReadWithAProfileToo(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, DefaultFile, "nonsense: true\n")
	src := Sources{
		Text: []byte("aws: {region: eu-west-3}\nkubernetes: {enabled: true, rules: {namespaces: {'*': {allow: ['*']}}}}\n"),
		Set:  []string{"credentials.source_profile=work", "kubernetes.base_role_arn=arn:aws:iam::123456789012:role/"},
	}
	loaded, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := loaded.Config
		if c.AWS.Region != "eu-west-3" || len(c.Kubernetes.Rules.Namespaces) != 1 || c.Credentials.SourceProfile != "work" || loaded.File != "" {
			t.Fatalf("region %q, rules %v, profile %q, file %q", c.AWS.Region, c.Kubernetes.Rules.Namespaces, c.Credentials.SourceProfile, loaded.File)
		}
		if loaded, err = loaded.Reload(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMockHint_NamesKeysOfAFileThatExists: who has a file edits it, and only without one is there a file to copy.
func TestMockHint_NamesKeysOfAFileThatExists(t *testing.T) {
	const (
		without = "no AWS service accepts them; for real ones copy conf/sample-config.yaml to conf/config.yaml and set credentials.source_profile and credentials.iam_role"
		with    = "no AWS service accepts them; for real ones set credentials.mock to false, and credentials.source_profile and credentials.iam_role to yours"
	)
	if got := (&Loaded{}).MockHint(); got != without {
		t.Errorf("embedded default: %q", got)
	}
	if got := (&Loaded{File: "/etc/mock-ec2-metadata/config.yaml"}).MockHint(); got != with {
		t.Errorf("file: %q", got)
	}
}
