package sts

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/google/go-cmp/cmp"
)

// chained has profiles that lead by source_profile from a over b to c, from via to ec2, and from x to none.
const chained = `
[profile a]
role_arn = ` + baseRole + `
source_profile = b
[profile b]
role_arn = ` + midRole + `
source_profile = c
[profile c]
role_arn = ` + taskRole + `
web_identity_token_file = /tokens/c
[profile x]
role_arn = ` + baseRole + `
source_profile = none
[profile ec2]
role_arn = ` + baseRole + `
credential_source = Ec2InstanceMetadata
[profile via]
role_arn = ` + midRole + `
source_profile = ec2
`

func TestFiles_IncludeWebIdentityTokensOfTheChain(t *testing.T) {
	for _, tt := range []struct {
		profile     string
		environment string // NAME=value
		want        []string
	}{
		{"c", "", []string{"/tokens/c"}},
		{"a", "", []string{"/tokens/c"}},
		{"x", "", nil},
		{"none", "", nil},
		{"ec2", "", nil},
		{"", "", nil},
		{"", "AWS_PROFILE=b", []string{"/tokens/c"}},
		{"", "AWS_DEFAULT_PROFILE=b", []string{"/tokens/c"}},
		{"", "AWS_WEB_IDENTITY_TOKEN_FILE=/tokens/pod", []string{"/tokens/pod"}},
		{"c", "AWS_WEB_IDENTITY_TOKEN_FILE=/tokens/pod", []string{"/tokens/c"}},
	} {
		t.Run(tt.profile+" "+tt.environment, func(t *testing.T) {
			dir := home(t, nil, chained, "")
			if name, value, ok := strings.Cut(tt.environment, "="); ok {
				t.Setenv(name, value)
			}
			want := append([]string{
				filepath.Join(dir, "config"), filepath.Join(dir, "credentials"),
				filepath.Join(dir, "sso/cache"), filepath.Join(dir, "login/cache"),
			}, tt.want...)
			if diff := cmp.Diff(want, Files(t.Context(), tt.profile)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMetadataService_IsEnabledOnlyForProfilesThatNameIt(t *testing.T) {
	for _, tt := range []struct {
		profile     string
		environment string // NAME=value
		want        imds.ClientEnableState
		wantName    string
	}{
		{profile: "ec2", want: imds.ClientEnabled, wantName: `profile "ec2"`},
		{profile: "via", want: imds.ClientEnabled, wantName: `profile "via"`},
		{profile: "a", want: imds.ClientDisabled, wantName: `profile "a"`},
		{want: imds.ClientDisabled, wantName: `profile "default"`},
		{environment: "AWS_ACCESS_KEY_ID=AKIA", want: imds.ClientDisabled, wantName: "the environment"},
		{environment: "AWS_PROFILE=via", want: imds.ClientEnabled, wantName: `profile "via" (AWS_PROFILE)`},
		{environment: "AWS_DEFAULT_PROFILE=via", want: imds.ClientEnabled, wantName: `profile "via" (AWS_DEFAULT_PROFILE)`},
		{profile: "a", environment: "AWS_PROFILE=via", want: imds.ClientDisabled, wantName: `profile "a"`},
	} {
		t.Run(tt.profile+" "+tt.environment, func(t *testing.T) {
			home(t, nil, chained, "")
			if name, value, ok := strings.Cut(tt.environment, "="); ok {
				t.Setenv(name, value)
			}
			spec := roleSpec()
			spec.Profile = tt.profile
			a := provider(spec)
			if got := metadataService(sharedProfile(t.Context(), a.spec.Profile)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := a.profile(); got != tt.wantName {
				t.Errorf("named %s, want %s", got, tt.wantName)
			}
		})
	}
}
