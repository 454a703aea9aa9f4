package sdkenv

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewTask_SetsWhatTheAgentSets(t *testing.T) {
	for _, tt := range []struct {
		name    string
		task    Task
		environ []string
		want    []Variable
	}{
		{
			"at ECS' address",
			Task{Daemon: ECSURL, CredentialsID: id, EndpointID: "e1", LaunchType: "EC2", Region: "eu-west-1"},
			[]string{"HTTP_PROXY=http://p"},
			[]Variable{
				{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/" + id},
				{"ECS_CONTAINER_METADATA_URI", "http://169.254.170.2/v3/e1"},
				{"ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/e1"},
				{"ECS_AGENT_URI", "http://169.254.170.2/api/e1"},
				{"AWS_EXECUTION_ENV", "AWS_ECS_EC2"},
				{"AWS_EC2_METADATA_DISABLED", "true"},
				{"AWS_CONFIG_FILE", "/dev/null"},
				{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
				{"BOTO_CONFIG", "/dev/null"},
				{"AWS_REGION", "eu-west-1"},
				{"AWS_DEFAULT_REGION", "eu-west-1"},
				{"no_proxy", "169.254.170.2"},
				{"NO_PROXY", "169.254.170.2"},
			},
		},
		{
			"at the loopback address, with authorization",
			Task{Daemon: "http://localhost:5000/", CredentialsID: id, EndpointID: "e1", LaunchType: "FARGATE", Authorization: Authorization{File: "/token"}},
			nil,
			[]Variable{
				{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:5000/v2/credentials/" + id},
				{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"},
				{"ECS_CONTAINER_METADATA_URI", "http://127.0.0.1:5000/v3/e1"},
				{"ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:5000/v4/e1"},
				{"ECS_AGENT_URI", "http://127.0.0.1:5000/api/e1"},
				{"AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"},
				{"AWS_EC2_METADATA_DISABLED", "true"},
				{"AWS_CONFIG_FILE", "/dev/null"},
				{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
				{"BOTO_CONFIG", "/dev/null"},
			},
		},
		{
			"without a role",
			Task{Daemon: "http://127.0.0.1:5000/", EndpointID: "e1", LaunchType: "EC2", Authorization: Authorization{Value: "x"}},
			nil,
			[]Variable{
				{"ECS_CONTAINER_METADATA_URI", "http://127.0.0.1:5000/v3/e1"},
				{"ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:5000/v4/e1"},
				{"ECS_AGENT_URI", "http://127.0.0.1:5000/api/e1"},
				{"AWS_EXECUTION_ENV", "AWS_ECS_EC2"},
				{"AWS_EC2_METADATA_DISABLED", "true"},
				{"AWS_CONFIG_FILE", "/dev/null"},
				{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
				{"BOTO_CONFIG", "/dev/null"},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewTask(tt.task, tt.environ)
			if diff := cmp.Diff(shown(tt.want), shown(c.Set)); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			for _, v := range c.Set {
				if slices.Contains(c.Unset, v.Name) {
					t.Errorf("%s is set and unset", v.Name)
				}
			}
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT"} {
				if !slices.Contains(c.Unset, name) {
					t.Errorf("%s is not unset", name)
				}
			}
		})
	}
}

func TestNewPod_SetsWhatTheWebhookSets(t *testing.T) {
	want := []Variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:5000/v1/credentials"},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/run/token"},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_CONFIG_FILE", "/dev/null"},
		{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
		{"BOTO_CONFIG", "/dev/null"},
		{"AWS_REGION", "eu-west-1"},
		{"AWS_DEFAULT_REGION", "eu-west-1"},
	}
	c := NewPod("http://127.0.0.1:5000/", "/run/token", "eu-west-1", nil)
	if diff := cmp.Diff(shown(want), shown(c.Set)); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
	if !slices.Contains(c.Unset, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
		t.Error("a relative URI would win")
	}
}

func TestNewRole_SetsTheAuthorization(t *testing.T) {
	for _, tt := range []struct {
		a    Authorization
		want Variable
	}{
		{Authorization{File: "/token"}, Variable{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"}},
		{Authorization{Value: "x"}, Variable{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "x"}},
	} {
		if c := NewRole("http://127.0.0.1:5000/", id, "", tt.a, nil); !slices.Contains(c.Set, tt.want) || slices.Contains(c.Unset, tt.want.Name) {
			t.Errorf("no %s in %q", tt.want.Name, shown(c.Set))
		}
	}
}
