package config

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loadText loads the content of a file f.yaml.
func loadText(content string, environ, set []string) (*Loaded, error) {
	return load("f.yaml", []byte(content), Sources{Environ: environ, Set: set}, "linux")
}

// mustLoad is loadText for valid content.
func mustLoad(t *testing.T, content string, environ, set []string) *Loaded {
	t.Helper()
	l, err := loadText(content, environ, set)
	if err != nil {
		t.Fatalf("loading %q: %v", content, err)
	}
	return l
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func expectConfig(t *testing.T, got, want *Config) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// expectWarnings loads the content of a file f.yaml and compares the warnings.
func expectWarnings(t *testing.T, content string, want ...string) {
	t.Helper()
	if got := mustLoad(t, content, nil, nil).Warnings; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// allDefaults is the configuration that the documentation promises for an empty file.
func allDefaults() *Config {
	return &Config{
		Instance: Instance{
			Credentials: Credentials{Duration: time.Hour, RefreshBefore: 25 * time.Minute, Cache: "memory"},
			AWS:         AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
			EC2: EC2{
				LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890",
				InstanceType: "t3.micro", Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled",
				MetadataOptions: MetadataOptions{
					HTTPTokens: "optional", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: 64, InstanceMetadataTags: "enabled",
				},
			},
		},
		Containers: Containers{Role: []string{"label:mock-ec2-metadata.role", "env:IAM_ROLE"}},
		ECS: ECS{
			Listen: []string{"169.254.170.2:80"}, Rate: "off", Task: ECSTask{Cluster: "local", Family: "task", Revision: "1", LaunchType: "EC2"},
		},
		PodIdentity: PodIdentity{
			Listen: []string{"169.254.170.23:80", "[fd00:ec2::23]:80"}, ClusterName: "local", Audience: "pods.eks.amazonaws.com", Verify: "tokenreview",
		},
		Kubernetes: Kubernetes{
			Pods: KubernetesPods{Find: []string{"watch", "proc"}, Wait: 900 * time.Millisecond, Metadata: "node"},
			Annotations: KubernetesAnnotations{
				Role:         []string{"mock-ec2-metadata/role", "iam.amazonaws.com/role", "eks.amazonaws.com/role-arn"},
				ExternalID:   []string{"mock-ec2-metadata/external-id", "iam.amazonaws.com/external-id"},
				SessionName:  []string{"mock-ec2-metadata/session-name", "iam.amazonaws.com/session-name"},
				AllowedRoles: []string{"mock-ec2-metadata/allowed-roles", "iam.amazonaws.com/allowed-roles", "iam.amazonaws.com/permitted"},
			},
			Session: KubernetesSession{Scope: "role", Prefetch: true, Idle: 15 * time.Minute},
		},
		Server: Server{
			Listen: []string{"0.0.0.0:5000"}, AllowClients: []string{"auto"}, Control: "auto", Console: "auto",
			Limits: Limits{Connections: 2048, ConnectionsPerClient: 512, URLBytes: 2048, HeaderBytes: 16384, BodyBytes: 4096},
		},
		Log: Log{Level: "info", Format: "text", Access: true},
	}
}
