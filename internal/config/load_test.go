package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loadText loads a file's content under the name f.yaml.
func loadText(content string, environ, set []string) (*Loaded, error) {
	return load("f.yaml", []byte(content), Sources{Environ: environ, Set: set}, "linux")
}

// mustLoad is loadText for content that is valid.
func mustLoad(t *testing.T, content string, environ, set []string) *Loaded {
	t.Helper()
	l, err := loadText(content, environ, set)
	if err != nil {
		t.Fatalf("loading %q: %v", content, err)
	}
	return l
}

// write makes a file in a new directory.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// allDefaults is what the documentation promises for a file that says nothing.
func allDefaults() *Config {
	return &Config{
		Instance: Instance{
			Credentials: Credentials{Duration: time.Hour, RefreshBefore: 15 * time.Minute},
			AWS:         AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
			EC2: EC2{
				LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890",
				InstanceType: "t3.micro", Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled",
				MetadataOptions: MetadataOptions{
					HTTPTokens: "optional", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: 64, InstanceMetadataTags: "enabled",
				},
			},
		},
		Server: Server{
			Listen: []string{"0.0.0.0:5000"}, AllowClients: []string{"auto"}, Control: "auto",
			Limits: Limits{Connections: 2048, ConnectionsPerClient: 512, URLBytes: 2048, HeaderBytes: 16384, BodyBytes: 4096},
		},
		Log: Log{Level: "info", Format: "text", Access: true},
	}
}

func TestFilesThatSayNothing(t *testing.T) {
	for _, content := range []string{
		"", "\n", "# a comment\n", "---\n", "---\n# a comment\n", "{}", "~", "null\n...\n", "\ufeff",
		"ec2:\naws: ~\nlog: null\n", "ec2: {metadata_options: }\n", "ec2:\n  hostname: ''\n  instance_id: ~\n",
		"credentials: {session_tags: {}, policy_arns: [], duration: ''}\nmetadata:\n", "ec2: {tags: {}, life_cycle: on-demand}",
		"server: {listen: ~}\nlog: {access: }",
	} {
		l, err := loadText(content, nil, nil)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if diff := cmp.Diff(allDefaults(), l.Config); diff != "" {
			t.Errorf("%q (-want +got):\n%s", content, diff)
		}
		if len(l.Warnings) > 0 {
			t.Errorf("%q: warnings %q", content, l.Warnings)
		}
	}
}

func TestEmbeddedDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	want := allDefaults()
	want.Credentials.Mock = true
	want.Credentials.IAMRole = "arn:aws:iam::123456789012:role/mock-role"
	if diff := cmp.Diff(want, l.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.File != "" || len(l.Warnings) > 0 {
		t.Errorf("file %q, warnings %q", l.File, l.Warnings)
	}
	if !strings.Contains(string(l.YAML()), "  mock: true # embedded default\n") {
		t.Errorf("no origin of mock in\n%s", l.YAML())
	}

	// Another region or account alone is enough: the rest goes along.
	l, err = Load(Sources{Set: []string{"aws.region=eu-west-1", "credentials.iam_role=arn:aws:iam::210987654321:role/r"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(AWS{AccountID: "210987654321", Region: "eu-west-1", AvailabilityZone: "eu-west-1a"}, l.Config.AWS); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOriginalSample(t *testing.T) {
	path := "testdata/original-sample.yaml"
	l, err := Load(Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
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
	if diff := cmp.Diff(want, l.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.File != path {
		t.Errorf("file: %q", l.File)
	}
}

func TestValuesKeepTheirText(t *testing.T) {
	l := mustLoad(t, `
credentials: {iam_role: "arn:aws:iam::012345678901:role/a/b/c", session_name: &name 0x10, source_identity: *name}
aws: {account_id: 012345678901}
ec2:
  hostname: yes
  instance_id: 1.50
  image_id: "2024-01-01"
`, nil, nil)
	c := l.Config
	got := []string{c.Credentials.SessionName, c.Credentials.SourceIdentity, c.AWS.AccountID, c.EC2.Hostname, c.EC2.InstanceID, c.EC2.ImageID}
	want := []string{"0x10", "0x10", "012345678901", "yes", "1.50", "2024-01-01"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDerivedPlace(t *testing.T) {
	const role = "credentials: {iam_role: 'arn:aws-cn:iam::222222222222:role/r'}\n"
	tests := map[string]AWS{
		"":                                       {AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		role:                                     {AccountID: "222222222222", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		role + "aws: {account_id: 333333333333}": {AccountID: "333333333333", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		"aws: {region: eu-central-1}":            {AccountID: "123456789012", Region: "eu-central-1", AvailabilityZone: "eu-central-1a"},
		"aws: {availability_zone: eu-west-2c}":   {AccountID: "123456789012", Region: "eu-west-2", AvailabilityZone: "eu-west-2c"},
		"aws: {availability_zone: us-west-2-lax-1a}":        {AccountID: "123456789012", Region: "us-west-2", AvailabilityZone: "us-west-2-lax-1a"},
		"aws: {availability_zone: us-east-1-wl1-bos-wlz-1}": {AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1-wl1-bos-wlz-1"},
		"aws: {availability_zone: us-gov-west-1b}":          {AccountID: "123456789012", Region: "us-gov-west-1", AvailabilityZone: "us-gov-west-1b"},
	}
	for content, want := range tests {
		if diff := cmp.Diff(want, mustLoad(t, content, nil, nil).Config.AWS); diff != "" {
			t.Errorf("%q (-want +got):\n%s", content, diff)
		}
	}
}

func TestPath(t *testing.T) {
	t.Chdir(t.TempDir())
	environ := []string{"HOME=/", "MOCK_EC2_METADATA_CONFIG=/from/environment"}
	check := func(s Sources, want string) {
		t.Helper()
		if got := s.Path(); got != want {
			t.Errorf("%+v: got %q, want %q", s, got, want)
		}
	}
	check(Sources{}, "")
	check(Sources{Environ: []string{"MOCK_EC2_METADATA_CONFIG="}}, "")
	check(Sources{Environ: environ}, "/from/environment")
	check(Sources{File: "/from/flag", Environ: environ}, "/from/flag")
	if err := os.Mkdir("conf", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", DefaultFile); err != nil {
		t.Fatal(err)
	}
	check(Sources{}, DefaultFile)
	check(Sources{Environ: environ}, "/from/environment")
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	latin1 := write(t, "latin1.yaml", "log: {level: \xe4}\n")
	large := write(t, "large.yaml", strings.Repeat("# filler\n", 1<<21))
	below := filepath.Join(latin1, "below.yaml")
	tests := map[string]string{
		missing: missing + ": no such file; copy conf/sample-config.yaml there and change it, or name another file with --config or MOCK_EC2_METADATA_CONFIG",
		dir:     dir + ": is a directory; name a file in it",
		latin1:  latin1 + ": not UTF-8 text",
		large:   large + ": larger than 16 MiB; this is not a configuration file",
		below:   below + ": cannot be read: not a directory",
	}
	if os.Getuid() > 0 {
		locked := write(t, "locked.yaml", "")
		if err := os.Chmod(locked, 0); err != nil {
			t.Fatal(err)
		}
		tests[locked] = locked + ": cannot be read: permission denied"
	}
	for path, want := range tests {
		for _, src := range []Sources{{File: path}, {Environ: []string{"MOCK_EC2_METADATA_CONFIG=" + path}}} {
			if _, err := Load(src); err == nil || err.Error() != want {
				t.Errorf("got %v\nwant %s", err, want)
			}
		}
	}
}

// TestLargestFile is one of the very size that is still read.
func TestLargestFile(t *testing.T) {
	const key = "ec2: {hostname: large}\n"
	path := write(t, "f.yaml", key+"#"+strings.Repeat("x", maxFileSize-len(key)-1))
	l, err := Load(Sources{File: path})
	if err != nil || l.Config.EC2.Hostname != "large" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestHugeFilesAreRefusedQuickly(t *testing.T) {
	item := "&a [" + strings.Repeat("x,", 1000) + "]"
	bomb := "ec2:\n  network_interfaces:\n  - &n {local_ipv4s: " + item + "}\n" + strings.Repeat("  - *n\n", 10_000)
	tests := map[string]string{
		"bomb":     bomb,
		"deep":     "log: " + strings.Repeat("[", 20_000),
		"deep map": strings.Repeat("{a: ", 20_000),
		"itself":   "server: &s\n  listen: *s\nlog: *s\n",
		"unknown":  strings.Repeat("k: 1\n", 50_000) + "z: 1\n",
		"keys":     "log: {" + strings.Repeat("? [a] : 1, ", 50_000) + "}",
		"unclosed": strings.Repeat("k: ["+strings.Repeat("x,", 3000)+"]\n", 399) + "z: '",
	}
	for name, content := range tests {
		start := time.Now()
		if _, err := loadText(content, nil, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		if took := time.Since(start); took > time.Minute { // unbounded, it would be hours
			t.Errorf("%s took %s", name, took)
		}
	}
}

func TestRefreshBeforeFollowsShortDurations(t *testing.T) {
	for duration, want := range map[string]time.Duration{"15m": 225 * time.Second, "1h": 15 * time.Minute, "12h": 15 * time.Minute} {
		l, err := Load(Sources{Set: []string{"credentials.duration=" + duration}})
		if err != nil || l.Config.Credentials.RefreshBefore != want {
			t.Errorf("duration %s: %v, %v; want refresh_before %v", duration, l, err, want)
		}
	}
}

func TestMockGivesWayToAProfile(t *testing.T) {
	t.Chdir(t.TempDir())
	const role = "arn:aws:iam::123456789012:role/myrole"
	for _, tt := range []struct {
		set      []string
		mock     bool
		wantRole string
	}{
		{nil, true, "arn:aws:iam::123456789012:role/mock-role"},
		{[]string{"credentials.iam_role=" + role}, true, role},
		{[]string{"credentials.iam_role=" + role, "credentials.source_profile=default"}, false, role},
		{[]string{"credentials.iam_role=" + role, "credentials.source_profile=default", "credentials.mock=true"}, true, role},
		{[]string{"credentials.source_profile=default"}, false, ""}, // the profile's own
	} {
		l, err := Load(Sources{Set: tt.set})
		if err != nil {
			t.Errorf("%q: %v", tt.set, err)
			continue
		}
		if got := l.Config.Credentials; got.Mock != tt.mock || got.IAMRole != tt.wantRole {
			t.Errorf("%q: mock %v, role %s; want %v, %s", tt.set, got.Mock, got.IAMRole, tt.mock, tt.wantRole)
		}
	}
}

func TestOddOriginalValuesLoad(t *testing.T) {
	l, err := loadText("ec2: {architecture: amd64, hostname: my_host}", nil, nil)
	want := []string{
		`f.yaml:1: ec2.architecture: "amd64" is not one of i386, x86_64, arm64`,
		`f.yaml:1: ec2.hostname: "my_host" is not a host name; it has letters, digits and hyphens between dots`,
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEmpty(t *testing.T) {
	for text, want := range map[string]bool{"": true, "# nothing\n": true, "---\n": true, "~": true, "ec2:\n": false, "{}": false} {
		if l, err := loadText(text, nil, nil); err != nil || l.Empty != want {
			t.Errorf("%q: %v, %v; want Empty %v", text, l, err, want)
		}
	}
}

// TestOptions have their own names in messages, and the last word.
func TestOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := Load(Sources{Set: []string{"log.level=warn"}, Options: []Option{{"--log-level", "log.level", "debug"}}})
	if err != nil || l.Config.Log.Level != "debug" || !strings.Contains(string(l.YAML()), "level: debug # --log-level\n") {
		t.Errorf("%v, %v", l, err)
	}
	_, err = Load(Sources{Options: []Option{{"--log-level", "log.level", "loud"}, {"--listen", "server.listen", "[nonsense]"}}})
	const want = `--log-level log.level: "loud" is not one of debug, info, warn, error
--listen server.listen: "nonsense" is not host:port; write e.g. 0.0.0.0:5000`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestWithoutRole(t *testing.T) {
	l, err := loadText("credentials:\n  source_profile: default\n  session_tags: {a: b}\n  policy: \"{}\"\n", nil, nil)
	want := []string{
		"f.yaml:3: credentials.session_tags: without effect: only a role takes it, and credentials.iam_role is not set",
		"f.yaml:4: credentials.policy: without effect: only a role takes it, and credentials.iam_role is not set",
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestArchitectureFollowsType(t *testing.T) {
	for instanceType, want := range map[string]string{
		"t3.nano": "x86_64", "g5.xlarge": "x86_64", "g4dn.xlarge": "x86_64", "m6g.large": "arm64", "c7gn.xlarge": "arm64", "g5g.xlarge": "arm64",
		"a1.metal": "arm64", "im4gn.large": "arm64", "hpc7g.4xlarge": "arm64",
	} {
		l, err := loadText("ec2: {instance_type: "+instanceType+"}", nil, nil)
		if err != nil || l.Config.EC2.Architecture != want {
			t.Errorf("%s: %v, %v; want %s", instanceType, l, err, want)
		}
	}
	if l, err := loadText("ec2: {instance_type: m6g.large, architecture: x86_64}", nil, nil); err != nil || l.Config.EC2.Architecture != "x86_64" {
		t.Errorf("what is said is overruled: %v, %v", l, err)
	}
}

func TestRoleOfAnotherPlace(t *testing.T) {
	l, err := loadText("credentials: {iam_role: 'arn:aws:iam::123456789012:role/r'}\naws: {account_id: '210987654321', region: cn-north-1}\n", nil, nil)
	want := []string{
		"f.yaml:1: credentials.iam_role: the role is of account 123456789012 and the instance of aws.account_id 210987654321; EC2 has both in one",
		"f.yaml:1: credentials.iam_role: the role is of partition aws, but aws.region cn-north-1 is in aws-cn",
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestSpellings are ways that YAML's blocks have of writing values.
func TestSpellings(t *testing.T) {
	l, err := loadText("ec2:\n  key_pairs:\n    - name: k\n      public_key: |\n        ssh-ed25519 AAAAC3Nz me\n  user_data_base64: >-\n    aGVs\n    bG8=\n", nil, nil)
	if err != nil || string(l.UserData) != "hello" {
		t.Errorf("%v, %v", l, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
