package doctor

import (
	"context"
	"fmt"
	"log/slog"
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
	d := &doctor{opt: options(listen, set...), service: s}
	w.failed, w.steps, w.err = d.run(t.Context(), func(step string, found Finding) {
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
	if w.failed != len(failed) || w.steps != 9 || w.err != nil {
		t.Errorf("%d of %d steps failed, error %v; want %d of 9", w.failed, w.steps, w.err, len(failed))
	}
}

// host is the address in a URL.
func host(url string) string { return strings.Trim(strings.TrimPrefix(url, "http://"), "/") }

// profile is a default profile with a key.
func profile(key stsfake.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
}
