package sdkenv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const id = "6f1e2d3c-0b1a-4c5d-8e9f-a0b1c2d3e4f5"

func TestNewRole_LeavesOneWayToCredentials(t *testing.T) {
	const uri = "http://127.0.0.1:5000/v2/credentials/" + id
	base := []Variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_CONFIG_FILE", "/dev/null"},
		{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
		{"BOTO_CONFIG", "/dev/null"},
	}
	region := []Variable{{"AWS_REGION", "eu-west-1"}, {"AWS_DEFAULT_REGION", "eu-west-1"}}
	for _, tt := range []struct {
		name    string
		region  string
		environ []string
		want    []Variable
	}{
		{"with a region", "eu-west-1", nil, slices.Concat(base, region)},
		{"without a region", "", []string{"AWS_REGION=us-east-1"}, base},
		{
			"with a proxy", "eu-west-1",
			[]string{"HTTP_PROXY=http://p", "NO_PROXY=a"},
			slices.Concat(base, region, []Variable{{"no_proxy", "a,127.0.0.1"}, {"NO_PROXY", "a,127.0.0.1"}}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewRole("http://127.0.0.1:5000/", id, tt.region, Authorization{}, tt.environ)
			if diff := cmp.Diff(shown(tt.want), shown(c.Set)); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			want := []string{
				"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
				"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
				"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_PROFILES_FILE", "AWS_CREDENTIAL_FILE", "AWS_BEARER_TOKEN_BEDROCK",
				"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
				"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
				"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
				"CPL_AWS_EC2_API_ROOT_URL", "CPL_AWS_AUTODETECT_EC2",
				"ECS_CONTAINER_METADATA_URI", "ECS_CONTAINER_METADATA_URI_V4", "ECS_AGENT_URI", "AWS_EXECUTION_ENV",
			}
			if diff := cmp.Diff(want, c.Unset); diff != "" {
				t.Errorf("unset (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewRole_AsksTheDaemonAtTheLoopbackAddress(t *testing.T) {
	for _, tt := range []struct{ daemon, want string }{
		{"http://127.0.0.1:5000", "http://127.0.0.1:5000/v2/credentials/x"},
		{"http://localhost:5000/", "http://127.0.0.1:5000/v2/credentials/x"},
		{"http://[::1]:5000/", "http://127.0.0.1:5000/v2/credentials/x"},
		{"http://127.0.0.2:5000/", "http://127.0.0.1:5000/v2/credentials/x"},
		{"http://0.0.0.0/", "http://127.0.0.1/v2/credentials/x"},
	} {
		t.Run(tt.daemon, func(t *testing.T) {
			if got := NewRole(tt.daemon, "x", "", Authorization{}, nil).Set[0].Value; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestNewAndNewRole_UndoEachOther: a shell may evaluate one after the other. The region stays: New leaves it to the user.
func TestNewAndNewRole_UndoEachOther(t *testing.T) {
	const daemon = "http://127.0.0.1:5000/"
	environ := []string{"PATH=/bin"}
	role := func(e []string) []string { return NewRole(daemon, id, "", Authorization{}, e).Apply(e) }
	instance := func(e []string) []string { return New(daemon, e).Apply(e) }
	sorted := func(e []string) []string { return slices.Sorted(slices.Values(e)) }
	if diff := cmp.Diff(sorted(instance(environ)), sorted(instance(role(environ)))); diff != "" {
		t.Errorf("New after NewRole (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(role(environ)), sorted(role(instance(environ)))); diff != "" {
		t.Errorf("NewRole after New (-want +got):\n%s", diff)
	}
}

func TestChanges_RedactTheirValues(t *testing.T) {
	c := NewRole("http://127.0.0.1:5000/", id, "eu-west-1", Authorization{}, nil)
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "changes", c, "variable", c.Set[0])
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, &c)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	if strings.Contains(out.String(), id) || strings.Contains(out.String(), fmt.Sprintf("%x", id)) {
		t.Errorf("the id is in %s", out.String())
	}
	if !strings.Contains(out.String(), "AWS_CONTAINER_CREDENTIALS_FULL_URI=[redacted]") {
		t.Errorf("no name is in %s", out.String())
	}
}

// shown returns variables with their values.
func shown(list []Variable) []string {
	return Changes{Set: list}.Apply(nil)
}
