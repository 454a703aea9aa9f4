package cli

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// fakeEngine knows one container.
type fakeEngine struct {
	noContainers
	connected chan struct{}
}

func (e *fakeEngine) Run(ctx context.Context) {
	close(e.connected)
	<-ctx.Done()
}

func (e *fakeEngine) Status() *api.Containers { return &api.Containers{Connected: true} }

func (e *fakeEngine) Locate(_ context.Context, a netip.Addr) (*caller.Workload, error) {
	<-e.connected
	switch a.String() {
	case "172.30.0.2":
		return &caller.Workload{Name: "container shop-web-1", Role: "web", Source: "label role"}, nil
	case "172.30.0.3":
		return &caller.Workload{Name: "container shop-db-1"}, nil
	case "172.30.0.4":
		return nil, caller.ErrUnknown
	default:
		return nil, nil
	}
}

func TestCheckAs_AsksTheEngine(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+webRole+"containers: {engine: unix:///e.sock, allow: [web]}\nserver: {allow_clients: [172.30.0.0/16]}\n")
	for _, tt := range []struct{ address, want string }{
		{"172.30.0.2", "it is container shop-web-1, which names the role web (label role)\nentry: none, since clients is empty\nrole named by: label role of container shop-web-1\n"},
		{"172.30.0.3", "it is container shop-db-1, which names no role\nentry: none, since clients is empty\ninstance: "},
		{"172.30.0.4", "503: no running container is known to have this address\n"},
		{"172.30.0.5", "it is no container\nentry: none"},
		{"127.0.0.1", "it is this machine itself\nentry: none"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			loaded, err := config.Load(config.Sources{})
			if err != nil {
				t.Fatal(err)
			}
			var stdout testutil.Buffer
			cmd := &cobra.Command{}
			cmd.SetContext(t.Context())
			cmd.SetOut(&stdout)
			engine := func(config.Containers) (app.Locator, error) { return &fakeEngine{connected: make(chan struct{})}, nil }
			if err := checkAs(cmd, &flags{}, loaded, engine, tt.address, ""); err != nil {
				t.Fatal(err)
			}
			if want := "# what " + tt.address + " gets at 0.0.0.0:5000\n" + tt.want; !strings.HasPrefix(stdout.String(), want) {
				t.Errorf("%s\nwant %s", &stdout, want)
			}
		})
	}
}
