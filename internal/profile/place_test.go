package profile

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestReadPlace_SaysRegionRoleAndFile(t *testing.T) {
	const role = "arn:aws-us-gov:iam::123456789012:role/base"
	const file = `
[default]
region = eu-west-1
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = secret
[profile work]
region = us-gov-west-1
role_arn = ` + role + `
source_profile = default
[profile both]
region = eu-west-1
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = r
[profile oldsso]
sso_start_url = https://example.awsapps.com/start
sso_region = cn-north-1
sso_account_id = 123456789012
sso_role_name = r
[profile broken]
role_arn = ` + role + `
source_profile = none
region = eu-west-1
[profile 'my work']
region = eu-central-1 
[profile spelled]
region = "eu-central-1"
[profile more]
region = eu-central-1
  eu-central-2
[profile empty]
output = json
[sso-session corp]
sso_region = us-gov-east-1
sso_start_url = https://example.awsapps.com/start
`
	const config, credentials = "~/.aws/config", "~/.aws/credentials"
	for _, tt := range []struct {
		name    string
		profile string
		environ map[string]string
		want    Place
	}{
		{name: "the default profile", want: Place{Name: "default", File: config, Region: "eu-west-1"}},
		{name: "the SDK's choice", environ: map[string]string{"AWS_PROFILE": "both"}, want: Place{Name: "both", File: credentials, Region: "eu-west-2"}},
		{name: "its older name", environ: map[string]string{"AWS_DEFAULT_PROFILE": "cred"}, want: Place{Name: "cred", File: credentials, Region: "eu-west-3"}},
		{name: "a named profile", profile: "work", environ: map[string]string{"AWS_PROFILE": "both"}, want: Place{Name: "work", File: config, Region: "us-gov-west-1", RoleARN: role}},
		{name: "SSO by a session", profile: "sso", want: Place{Name: "sso", File: config, SSORegion: "us-gov-east-1"}},
		{name: "SSO without a session", profile: "oldsso", want: Place{Name: "oldsso", File: config, SSORegion: "cn-north-1"}},
		{name: "no region", profile: "empty", want: Place{Name: "empty", File: config}},
		{name: "no such profile", profile: "nowhere", want: Place{Name: "nowhere"}},
		{name: "a profile without its source", profile: "broken", want: Place{Name: "broken", File: config, Region: "eu-west-1", RoleARN: role}},
		{name: "a quoted name", profile: "my work", want: Place{Name: "my work", File: config, Region: "eu-central-1"}},
		{name: "quotes of a value, which belong to it", profile: "spelled", want: Place{Name: "spelled", File: config, Region: `"eu-central-1"`}},
		{name: "a value of two lines", profile: "more", want: Place{Name: "more", File: config, Region: "eu-central-1\neu-central-2"}},
		{name: "another file", environ: map[string]string{"AWS_CONFIG_FILE": "{other}"}, want: Place{Name: "default", File: "{other}", Region: "sa-east-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testutil.IsolateHome(t)
			testutil.Write(t, ".aws/config", file)
			testutil.Write(t, ".aws/credentials", "[both]\nregion = eu-west-2\n[cred]\nregion = eu-west-3\n[work]\nregion =\n")
			other := testutil.WriteTemp(t, "other", "[default]\nregion = sa-east-1\n")
			for name, value := range tt.environ {
				if value == "{other}" {
					value, tt.want.File = other, other
				}
				t.Setenv(name, value)
			}
			if diff := cmp.Diff(tt.want, ReadPlace(tt.profile, dir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadPlace_ReadsTheFilesOfTheHome(t *testing.T) {
	for _, path := range []string{"", "~/.aws/", "$HOME/.aws/", "${HOME}/.aws/"} {
		t.Run(path, func(t *testing.T) {
			testutil.IsolateHome(t)
			for _, f := range [][2]string{{"AWS_CONFIG_FILE", "config"}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials"}} {
				t.Setenv(f[0], path)
				if path != "" {
					t.Setenv(f[0], path+f[1])
				}
			}
			other := t.TempDir()
			for home, region := range map[string]string{"": "eu-west-1", other: "eu-west-2"} {
				testutil.Write(t, filepath.Join(home, ".aws/config"), "[default]\nregion = "+region+"\n")
				testutil.Write(t, filepath.Join(home, ".aws/credentials"), "[work]\nregion = "+region+"\n")
			}
			for name, file := range map[string]string{"default": "~/.aws/config", "work": "~/.aws/credentials"} {
				want := Place{Name: name, File: file, Region: "eu-west-2"}
				if diff := cmp.Diff(want, ReadPlace(name, other)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// The AWS CLI gives the keys of [DEFAULT] to all profiles, and knows no profile of that name.
func TestReadPlace_OfTheCommonSectionIsEmpty(t *testing.T) {
	dir := testutil.IsolateHome(t)
	testutil.Write(t, ".aws/credentials", "[DEFAULT]\nregion = eu-west-1\n[work]\noutput = json\n")
	for _, want := range []Place{{Name: "DEFAULT"}, {Name: "work", File: "~/.aws/credentials", Region: "eu-west-1"}} {
		if diff := cmp.Diff(want, ReadPlace(want.Name, dir)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestReadPlace_OfAFileThatIsRefusedIsEmpty(t *testing.T) {
	dir := testutil.IsolateHome(t)
	testutil.Write(t, ".aws/config", "[default]\nregion = eu-west-1\nno key\n")
	if got := ReadPlace("", dir); got != (Place{Name: "default"}) {
		t.Errorf("got %+v", got)
	}
}
