package api

// ECS says how processes get credentials and task metadata as containers of ECS do.
type ECS struct {
	// Listen are the open addresses that serve containers alone.
	Listen     []string `json:"listen,omitempty"`
	LaunchType string   `json:"launch_type"`
	Region     string   `json:"region"`
	// Authorization says that clients must send one.
	Authorization bool `json:"authorization,omitempty"`
	// Containers starts with this machine itself, called self. Those of ecs.containers and of the engine follow.
	Containers []ECSContainer `json:"containers"`
}

// ECSContainer is a container of a task.
type ECSContainer struct {
	Name string `json:"name"`
	// ContainerID is the engine's; "" for others.
	ContainerID string `json:"container_id,omitempty"`
	// EndpointID is the end of its ECS_CONTAINER_METADATA_URI_V4.
	EndpointID string `json:"endpoint_id"`
	Role       string `json:"role,omitempty"`
	// CredentialsID is the end of its AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; "" without a role. It is a secret that this machine alone
	// sees.
	CredentialsID string `json:"credentials_id,omitempty"`
}

// PodIdentity describes EKS Pod Identity.
type PodIdentity struct {
	// Listen are the open addresses that serve pods alone.
	Listen       []string `json:"listen,omitempty"`
	Cluster      string   `json:"cluster"`
	Verify       string   `json:"verify"` // tokenreview, jwks or none
	Associations int      `json:"associations"`
}
