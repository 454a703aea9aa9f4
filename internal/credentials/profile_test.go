package credentials

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/google/go-cmp/cmp"
)

// chained leads from a over b to the token of c, from via to EC2, and from x nowhere.
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

func TestTokenFiles(t *testing.T) {
	for _, tt := range []struct {
		profile, environment string
		want                 []string
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
			t.Setenv("HOME", dir)
			if name, value, ok := strings.Cut(tt.environment, "="); ok {
				t.Setenv(name, value)
			}
			want := append([]string{
				filepath.Join(dir, "config"), filepath.Join(dir, "credentials"),
				filepath.Join(dir, ".aws/sso/cache"), filepath.Join(dir, ".aws/login/cache"),
			}, tt.want...)
			if diff := cmp.Diff(want, Files(t.Context(), tt.profile)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMetadataServiceIsAsked only where a profile names it, however that profile is found.
func TestMetadataServiceIsAsked(t *testing.T) {
	for _, tt := range []struct {
		profile, environment string
		want                 imds.ClientEnableState
		named                string
	}{
		{"ec2", "", imds.ClientEnabled, `profile "ec2"`},
		{"via", "", imds.ClientEnabled, `profile "via"`},
		{"a", "", imds.ClientDisabled, `profile "a"`},
		{"", "", imds.ClientDisabled, `profile "default"`},
		{"", "AWS_ACCESS_KEY_ID=AKIA", imds.ClientDisabled, "the environment"},
		{"", "AWS_PROFILE=via", imds.ClientEnabled, `profile "via" (AWS_PROFILE)`},
		{"", "AWS_DEFAULT_PROFILE=via", imds.ClientEnabled, `profile "via" (AWS_DEFAULT_PROFILE)`},
		{"a", "AWS_PROFILE=via", imds.ClientDisabled, `profile "a"`},
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
			if got := a.profile(); got != tt.named {
				t.Errorf("called %s, want %s", got, tt.named)
			}
		})
	}
}
