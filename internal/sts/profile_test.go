package sts

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

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

func TestMetadataService_IsAskedOnlyForProfilesThatNameIt(t *testing.T) {
	for _, tt := range []struct {
		profile     string
		environment string // NAME=value
		asked       bool
		wantName    string
	}{
		{profile: "ec2", asked: true, wantName: `profile "ec2"`},
		{profile: "via", asked: true, wantName: `profile "via"`},
		{profile: "a", wantName: `profile "a"`},
		{profile: "region", wantName: `profile "region"`},
		{wantName: `profile "default"`},
		{environment: "AWS_ACCESS_KEY_ID=AKIA", wantName: "the environment"},
		{environment: "AWS_PROFILE=via", asked: true, wantName: `profile "via" (AWS_PROFILE)`},
		{environment: "AWS_DEFAULT_PROFILE=via", asked: true, wantName: `profile "via" (AWS_DEFAULT_PROFILE)`},
		{profile: "a", environment: "AWS_PROFILE=via", wantName: `profile "a"`},
	} {
		t.Run(tt.profile+" "+tt.environment, func(t *testing.T) {
			home(t, nil, chained+"[profile region]\nregion = eu-west-1\n", "")
			if name, value, ok := strings.Cut(tt.environment, "="); ok {
				t.Setenv(name, value)
			}
			var asked atomic.Bool
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Store(true)
				w.WriteHeader(http.StatusNotFound)
			}))
			t.Cleanup(service.Close)
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.URL)
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true") // that is for the daemon's clients
			spec := roleSpec()
			spec.Profile = tt.profile
			a := provider(spec)
			if _, err := a.Retrieve(t.Context()); err == nil {
				t.Error("got credentials")
			}
			if asked.Load() != tt.asked {
				t.Errorf("asked %v, want %v", asked.Load(), tt.asked)
			}
			if got := a.profile(); got != tt.wantName {
				t.Errorf("named %s, want %s", got, tt.wantName)
			}
		})
	}
}
