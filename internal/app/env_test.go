package app

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/sdkenv"
	"mock-ec2-metadata/internal/testutil"
)

// linesOf returns the lines for a kind of client.
func linesOf(t *testing.T, a *App, client string) *api.Lines {
	t.Helper()
	lines, err := a.Lines(client, "")
	if err != nil || lines.For != client {
		t.Fatalf("%s: %+v, %v", client, lines, err)
	}
	return lines
}

// TestLines_NameTheOpenListeners has listeners of each kind. NUMBER stands for the port of the last one.
func TestLines_NameTheOpenListeners(t *testing.T) {
	testutil.IsolateHome(t)
	const alone = `This daemon listens at http://127.0.0.1:NUMBER/ alone. For clients with addresses of their own, set server.listen to ["0.0.0.0:NUMBER"], and restart it.`
	for _, tt := range []struct {
		name         string
		listen       []string
		extra        string // a network of the machine around a container
		set          []string
		shell        string
		docker, vm   []string // parts of the lines and of the note
		without      string   // in no lines and no note
		withoutLines bool
	}{
		{
			name: "the loopback interface", listen: []string{"127.0.0.1:0"}, shell: "=http://127.0.0.1:NUMBER/\n",
			docker: []string{"--network host", "=http://127.0.0.1:NUMBER/ ", alone},
			vm:     []string{"sudo METADATA_PORT=NUMBER sh nat.sh\n", alone, "VirtualBox's NAT"}, without: "server.allow_clients",
		},
		{
			name: "all interfaces", listen: []string{"127.0.0.1:0", "0.0.0.0:0"}, shell: "=http://127.0.0.1:",
			docker: []string{"--add-host host.docker.internal:host-gateway", "=http://host.docker.internal:NUMBER/ "},
			vm:     []string{"sudo METADATA_PORT=NUMBER sh nat.sh\n"}, without: "alone",
		},
		{
			name: "an address in a virtual network", listen: []string{"127.0.0.9:0"}, extra: "127.0.0.8/30", shell: "=http://127.0.0.9:NUMBER/\n",
			docker: []string{"=http://127.0.0.9:NUMBER/ ", "This daemon runs in a container"},
			vm:     []string{"sudo METADATA_HOST=127.0.0.9 METADATA_PORT=NUMBER sh nat.sh\n"}, without: "alone",
		},
		{
			name: "clients that are denied", listen: []string{"0.0.0.0:0"}, extra: "198.51.100.0/24", set: []string{"server.allow_clients=[]"},
			shell: "=http://127.0.0.1:NUMBER/\n", docker: []string{"server.allow_clients denies ", "198.51.100.0/24"}, vm: []string{"server.allow_clients denies "},
			without: "alone",
		},
		{name: "none", withoutLines: true, docker: []string{"set server.listen to"}, vm: []string{"set server.listen to"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := options(load(t, "", tt.set...))
			opt.Listen = tt.listen
			if tt.extra != "" {
				opt.Networks = []netip.Prefix{netip.MustParsePrefix(tt.extra)}
			}
			a, err := New(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.Close)
			port := ""
			if n := len(a.Addrs()); n > 0 {
				port = fmt.Sprint(netip.MustParseAddrPort(a.Addrs()[n-1].String()).Port())
			}
			for client, parts := range map[string][]string{"shell": {tt.shell}, "docker": tt.docker, "vm": tt.vm} {
				lines := linesOf(t, a, client)
				if (lines.Lines == "") != tt.withoutLines {
					t.Errorf("%s: %+v", client, lines)
				}
				text := lines.Lines + lines.Note
				for _, part := range parts {
					if !strings.Contains(text, strings.ReplaceAll(part, "NUMBER", port)) {
						t.Errorf("%s lacks %q: %s", client, part, text)
					}
				}
				if tt.without != "" && strings.Contains(text, tt.without) {
					t.Errorf("%s has %q: %s", client, tt.without, text)
				}
			}
			if docker, compose := linesOf(t, a, "docker"), linesOf(t, a, "compose"); docker.Note != compose.Note {
				t.Errorf("notes: %s\n%s", docker.Note, compose.Note)
			}
		})
	}
}

func TestLines_TheServicesOwnAddressNeedsNoOption(t *testing.T) {
	r := reach{url: "http://127.0.0.1:5000/", port: 5000, all: 5000, builtIn: true}
	if r.way() != (sdkenv.Way{}) || r.isAlone() {
		t.Errorf("%+v", r.way())
	}
}

func TestLines_ListenersOfOtherServicesDoNotCount(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t, "ecs.enabled=true", "ecs.listen=[127.0.0.1:0]")
	if n := len(d.Addrs()); n != 2 {
		t.Fatalf("%d listeners", n)
	}
	if lines := linesOf(t, d.App, "shell"); !strings.Contains(lines.Lines, "="+d.url+"\n") {
		t.Errorf("%s", lines.Lines)
	}
	d.surfaces[d.server.Names()[0]] = ecsOnly
	if lines := linesOf(t, d.App, "shell"); lines.Lines != "" {
		t.Errorf("%s", lines.Lines)
	}
}

func TestLines_APodNamesItsRole(t *testing.T) {
	testutil.IsolateHome(t)
	a := start(t, "credentials.mock=true", "credentials.iam_role="+roleARN).App
	if got := linesOf(t, a, "pod"); !strings.Contains(got.Lines, `{iam.amazonaws.com/role: "myrole"}`) || !strings.Contains(got.Note, "First run mock-ec2-metadata-kube up") {
		t.Errorf("%+v", got)
	}
	t.Run("in a cluster", func(t *testing.T) {
		testutil.IsolateHome(t)
		synctest.Test(t, func(t *testing.T) {
			w := newNodeWorld(t, realCluster+"roles: {jobs: {iam_role: 'arn:aws:iam::123456789012:role/jobs'}}\n", "jobs")
			if got := linesOf(t, w.App, "pod"); !strings.Contains(got.Lines, `{iam.amazonaws.com/role: "jobs"}`) || !strings.Contains(got.Note, "kubernetes.rules") {
				t.Errorf("%+v", got)
			}
		})
	})
}

func TestLines_WrongParametersAreNamed(t *testing.T) {
	testutil.IsolateHome(t)
	a := start(t).App
	for _, tt := range []struct{ client, shell, field, want string }{
		{"", "", "for", `for: "" is not one of shell, docker, compose, vm, pod`},
		{"docker ", "", "for", `for: "docker " is not one of shell, docker, compose, vm, pod`},
		{"shell", "tcsh", "shell", `shell: "tcsh" is not one of bash, fish, powershell`},
		{"vm", "bash", "shell", `shell: only for=shell has it; leave it out`},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := a.Lines(tt.client, tt.shell)
			if refused, ok := errors.AsType[*api.Refusal](err); !ok || refused.Status != 422 || refused.Field != tt.field || refused.Text != tt.want {
				t.Errorf("got %#v", err)
			}
		})
	}
}
