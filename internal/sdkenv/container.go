package sdkenv

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Variables by which the agents of ECS and EKS tell clients where credentials and task metadata are (container-credentials-reference
// sections 2, 4.4 and 5.1). Values of the first two can be secrets.
const (
	relativeURIVariable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURIVariable     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFileVariable   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" //nolint:gosec // a name, not a secret
	tokenVariable       = "AWS_CONTAINER_AUTHORIZATION_TOKEN"      //nolint:gosec // a name, not a secret

)

// ECSURL is glued to relative URIs by all SDKs.
const ECSURL = "http://169.254.170.2"

// Authorization is what clients of a container's credentials must send: the content of a file, or a value. Both are "" without.
type Authorization struct{ File, Value string }

// Read returns what clients send; "" without. It leaves out the end of a line, as the daemon does.
func (a Authorization) Read() (string, error) {
	if a.File == "" {
		return a.Value, nil
	}
	content, err := os.ReadFile(a.File)
	if err != nil {
		return "", fmt.Errorf("the file of ecs.authorization_file cannot be read: %w; let this user read it", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// Format redacts under every verb.
func (Authorization) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "authorization [redacted]")
}

func (a Authorization) variables() []Variable {
	switch {
	case a.File != "":
		return []Variable{{tokenFileVariable, a.File}}
	case a.Value != "":
		return []Variable{{tokenVariable, a.Value}}
	default:
		return nil
	}
}

// Task is a container of ECS.
type Task struct {
	// Daemon is the URL of the daemon; http://169.254.170.2 if it is there.
	Daemon string
	// CredentialsID is the id of the role's credentials, a secret; "" without a role.
	CredentialsID string
	// EndpointID is that of the container's task metadata.
	EndpointID string
	// LaunchType is EC2 or FARGATE.
	LaunchType    string
	Region        string
	Authorization Authorization
}

// NewTask makes the changes to environ for a process of a container of ECS.
func NewTask(t Task, environ []string) Changes {
	daemon := ECSURL
	if t.Daemon != ECSURL {
		daemon = loopback(t.Daemon)
	}
	var set []Variable
	switch {
	case t.CredentialsID == "":
	case daemon == ECSURL:
		set = append(set, Variable{relativeURIVariable, "/v2/credentials/" + t.CredentialsID})
	default:
		set = append(set, Variable{fullURIVariable, daemon + "/v2/credentials/" + t.CredentialsID})
	}
	if t.CredentialsID != "" {
		set = append(set, t.Authorization.variables()...)
	}
	set = append(
		set,
		Variable{"ECS_CONTAINER_METADATA_URI", daemon + "/v3/" + t.EndpointID},
		Variable{"ECS_CONTAINER_METADATA_URI_V4", daemon + "/v4/" + t.EndpointID},
		Variable{"ECS_AGENT_URI", daemon + "/api/" + t.EndpointID},
		Variable{"AWS_EXECUTION_ENV", "AWS_ECS_" + t.LaunchType},
	)
	return containerChanges(daemon, set, t.Region, environ)
}

// NewPod makes the changes to environ for a process of a pod with EKS Pod Identity. tokenFile has its service account's token.
func NewPod(daemon, tokenFile, region string, environ []string) Changes {
	address := loopback(daemon)
	return containerChanges(address, []Variable{
		{fullURIVariable, address + "/v1/credentials"},
		{tokenFileVariable, tokenFile},
	}, region, environ)
}

// taskVariables are those that NewTask alone sets.
func taskVariables() []string {
	return []string{"ECS_CONTAINER_METADATA_URI", "ECS_CONTAINER_METADATA_URI_V4", "ECS_AGENT_URI", "AWS_EXECUTION_ENV"}
}

// containerChanges makes clients take their credentials from a daemon in the way of containers, and in no other.
func containerChanges(daemon string, set []Variable, region string, environ []string) Changes {
	c := Changes{Set: append(
		set,
		// A client that does not know these variables must fail: the metadata service would give it another role.
		Variable{"AWS_EC2_METADATA_DISABLED", "true"},
		Variable{"AWS_CONFIG_FILE", os.DevNull},
		Variable{"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
		Variable{"BOTO_CONFIG", os.DevNull},
	)}
	if region != "" {
		c.Set = append(c.Set, Variable{"AWS_REGION", region}, Variable{"AWS_DEFAULT_REGION", region})
	}
	c.Unset = slices.DeleteFunc(slices.Concat(Preceding(), metadataVariables(), taskVariables()), func(name string) bool {
		return slices.ContainsFunc(c.Set, func(v Variable) bool { return v.Name == name })
	})
	c.Set = append(c.Set, withoutProxy(daemon, environ)...)
	return c
}
