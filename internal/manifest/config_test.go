package manifest

import (
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
)

// load reads the configuration as the daemon in the pod does.
func load(t *testing.T, o Options) *config.Config {
	t.Helper()
	var environ []string
	for _, v := range environment(o) {
		if strings.HasPrefix(v.Name, "MOCK_EC2_METADATA__") {
			environ = append(environ, v.Name+"="+v.Value)
		}
	}
	loaded, err := config.Load(config.Sources{File: "config.yaml", Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Config
}

func TestConfig_AllowsAnyRoleAndNamesNone(t *testing.T) {
	k := load(t, Default()).Kubernetes
	if !k.Enabled || !slices.Equal(k.Rules.Namespaces["*"].Allow, []string{"*"}) || k.Rules.DefaultRole != "" || k.Rules.HostNetwork != "" {
		t.Errorf("got %+v", k)
	}
}

func TestEnvironment_SetsWhatTheOptionsSay(t *testing.T) {
	o := Default()
	c := load(t, o)
	if c.PodIdentity.Enabled || c.Credentials.Mock || c.Server.Control != RunDir+"/control.sock" {
		t.Errorf("default: pod identity %v, mock %v, control %s", c.PodIdentity.Enabled, c.Credentials.Mock, c.Server.Control)
	}
	o.PodIdentity, o.Credentials = true, Mock
	if c := load(t, o); !c.PodIdentity.Enabled || !c.Credentials.Mock {
		t.Errorf("pod identity %v, mock %v", c.PodIdentity.Enabled, c.Credentials.Mock)
	}
}
