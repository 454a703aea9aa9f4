package sts

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestReadPlace(t *testing.T) {
	const file = `
[default]
region = eu-west-1
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = secret
[profile work]
region = us-gov-west-1
role_arn = ` + baseRole + `
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
role_arn = ` + baseRole + `
source_profile = none
region = eu-west-1
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
		{name: "a named profile", profile: "work", environ: map[string]string{"AWS_PROFILE": "both"}, want: Place{Name: "work", File: config, Region: "us-gov-west-1", RoleARN: baseRole}},
		{name: "SSO by a session", profile: "sso", want: Place{Name: "sso", File: config, SSORegion: "us-gov-east-1"}},
		{name: "SSO without a session", profile: "oldsso", want: Place{Name: "oldsso", File: config, SSORegion: "cn-north-1"}},
		{name: "no region", profile: "empty", want: Place{Name: "empty", File: config}},
		{name: "no such profile", profile: "nowhere", want: Place{Name: "nowhere"}},
		{name: "a profile that the SDK refuses", profile: "broken", want: Place{Name: "broken"}},
		{name: "another file", environ: map[string]string{"AWS_CONFIG_FILE": "{other}"}, want: Place{Name: "default", File: "{other}", Region: "sa-east-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, nil, file, "[both]\nregion = eu-west-2\n[cred]\nregion = eu-west-3\n")
			other := testutil.WriteTemp(t, "other", "[default]\nregion = sa-east-1\n")
			for name, value := range tt.environ {
				if value == "{other}" {
					value, tt.want.File = other, other
				}
				t.Setenv(name, value)
			}
			if diff := cmp.Diff(tt.want, ReadPlace(t.Context(), tt.profile, filepath.Dir(dir))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadPlace_ReadsTheFilesOfTheHome(t *testing.T) {
	home(t, nil, "[default]\nregion = eu-west-1\n", "")
	t.Setenv("AWS_CONFIG_FILE", "")
	other := t.TempDir()
	testutil.Write(t, filepath.Join(other, ".aws/config"), "[default]\nregion = eu-west-2\n")
	if got := ReadPlace(t.Context(), "", other); got.Region != "eu-west-2" {
		t.Errorf("got %+v", got)
	}
}
