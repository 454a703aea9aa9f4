package kubecli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// Rules may name roles by name alone: their account is that of the profile, which STS knows.
func TestUp_AsksWhoseAccountNamedRolesAreOf(t *testing.T) {
	fake, home := stsfake.Start(t), t.TempDir()
	key := fake.AddUser("dev")
	testutil.Write(t, filepath.Join(home, ".aws", "credentials"),
		"[work]\naws_access_key_id = "+key.AccessKeyID+"\naws_secret_access_key = "+key.SecretAccessKey+"\nregion = eu-central-1\n")
	t.Setenv("HOME", home)
	t.Setenv("AWS_ENDPOINT_URL_STS", fake.URL())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")

	p := New("test")
	load := func(set []string) (*config.Loaded, error) {
		return config.Load(config.Sources{
			Text: []byte("credentials: {source_profile: work}\nkubernetes: {rules: {service_accounts: {shop/checkout: checkout}}}\n"),
			Set:  set, Profile: p.readProfile,
		})
	}
	own, err := p.settings(t.Context(), &upFlags{credentials: manifest.Relay}, nil, load)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := load(own)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := loaded.Config.Kubernetes.BaseRoleARN, "arn:aws:iam::123456789012:role/"; got != want {
		t.Errorf("base_role_arn is %q, want %q", got, want)
	}
	if !slices.Contains(own, "credentials.source_profile=work") {
		t.Errorf("the configuration's profile is not used: %s", strings.Join(own, " "))
	}
}

// The profile is that of the flag, the configuration, the environment, or the default one.
func TestUp_ProfileThatMakesTheCalls(t *testing.T) {
	for _, tt := range []struct{ name, config, flag, environ, role, want string }{
		{name: "none is named", want: "default"},
		{name: "environment", environ: "env", want: "env"},
		{name: "environment, for its own credentials", environ: "env", role: "own", want: "env"},
		{name: "configuration", config: "{source_profile: file}", environ: "env", want: "file"},
		{name: "flag", config: "{source_profile: file}", flag: "flag", environ: "env", want: "flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New("test")
			p.environ = []string{"AWS_PROFILE=" + tt.environ}
			load := func(set []string) (*config.Loaded, error) {
				return config.Load(config.Sources{Text: []byte("credentials: " + tt.config + "\naws: {account_id: \"123456789012\"}\n"), Set: set})
			}
			own, err := p.settings(t.Context(), &upFlags{credentials: manifest.Relay, profile: tt.flag, role: tt.role}, nil, load)
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := load(own)
			if err != nil {
				t.Fatal(err)
			}
			if got := loaded.Config.Credentials.SourceProfile; got != tt.want {
				t.Errorf("the profile is %q, want %q", got, tt.want)
			}
		})
	}
}
