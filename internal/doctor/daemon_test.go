package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/myrole"
	mfaDevice = "arn:aws:iam::123456789012:mfa/developer"

	realConfig = "credentials:\n  source_profile: default\n  iam_role: " + roleARN + "\n"
)

// start runs a daemon on a free port, with conf/config.yaml or the embedded default, until the test ends. It returns its URL.
func start(t *testing.T) string {
	t.Helper()
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), app.Options{
		Config: loaded, WithoutListen: true, Listen: []string{"127.0.0.1:0"},
		Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	url := api.URL(a.Addrs()[0].String())
	status(t, url) // it watches its files by then
	return url
}

// status reads the status page of the daemon at a URL.
func status(t *testing.T, url string) *api.Status {
	t.Helper()
	s, err := probe.Status(t.Context(), url+"status")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// options are those for the daemon at an address, with keys set as by --set.
func options(listen string, set ...string) Options {
	return Options{
		Sources: config.Sources{
			Environ: os.Environ(), Set: set,
			Options: []config.Option{{Flag: "--listen", Path: "server.listen", Value: "['" + listen + "']"}},
		},
		Listen: []string{listen}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// quietMachine has no packet filter, and the service's addresses on no interface.
func quietMachine(t *testing.T) machine {
	t.Helper()
	return machine{
		root: t.TempDir(),
		list: func(_ context.Context, program string, _ ...string) (string, error) {
			if program == "nft" {
				return `{"nftables": []}`, nil
			}
			return "", nil
		},
		places: func(route.Services) ([]route.Place, error) {
			return []route.Place{{Address: route.IPv4()}, {Address: route.IPv6()}}, nil
		},
		virtual: func() []string { return nil },
		links:   func() []net.Interface { return nil },
		has:     func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.7") },
	}
}

// walk is the result of Run, a line per finding.
type walk struct {
	text          string
	failed, steps int
	err           error
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// consult examines the daemon at an address, with a service that clients ask. Times in its text are TIME.
func consult(t *testing.T, s service, listen string, set ...string) walk {
	t.Helper()
	var w walk
	var out strings.Builder
	d := &doctor{opt: options(listen, set...), service: s, machine: quietMachine(t)}
	w.failed, w.steps, w.err = d.run(t.Context(), func(step string, found Finding) {
		if slices.Contains([]string{"firewall", "environment", "hardware"}, step) {
			return // their tests are their own
		}
		for _, line := range found.Lines() {
			fmt.Fprintf(&out, "%-4s  %-13s  %s\n", found.Mark, step, line)
		}
	})
	w.text = times.ReplaceAllString(out.String(), "TIME")
	return w
}

// want compares the text with one in which each name stands for the value after it.
func (w walk) want(t *testing.T, want string, names ...string) {
	t.Helper()
	want = strings.NewReplacer(names...).Replace(strings.TrimPrefix(want, "\n"))
	if diff := cmp.Diff(want, w.text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	failed := slices.Compact(regexp.MustCompile(`(?m)^FAIL +\w+`).FindAllString(want, -1))
	if w.failed != len(failed) || w.steps != 12 || w.err != nil {
		t.Errorf("%d of %d steps failed, error %v; want %d of 12", w.failed, w.steps, w.err, len(failed))
	}
}

// host is the address in a URL.
func host(url string) string { return strings.Trim(strings.TrimPrefix(url, "http://"), "/") }

// profile is a default profile with a key.
func profile(key stsfake.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
}
