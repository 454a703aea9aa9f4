package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
	"mock-ec2-metadata/test/stsfake"
)

const roleARN = "arn:aws:iam::123456789012:role/team/myrole"

// daemon is an App with metrics that serves within this process.
type daemon struct {
	*app.App
	url     string // of the metadata service, with a slash at the end
	metrics *Server
	base    string // of the metrics, without a slash at the end
	log     *testutil.Buffer
	access  *testutil.Buffer
	stop    func() error // waits for Run
}

// start runs a daemon with made-up credentials, and keys set as by --set, until the test ends.
func start(t *testing.T, set ...string) *daemon {
	t.Helper()
	testutil.IsolateHome(t)
	return startWith(t, nil, append([]string{"credentials.mock=true", "credentials.iam_role=" + roleARN}, set...)...)
}

// startReal runs a daemon that gets credentials of roleARN from a fake STS.
func startReal(t *testing.T, edit func(*app.Options)) (*daemon, *stsfake.Server, stsfake.Key) {
	t.Helper()
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	sts.AddRole(roleARN)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	key := sts.AddUser("developer")
	testutil.Write(t, ".aws/credentials", "[default]\naws_access_key_id = "+key.AccessKeyID+"\naws_secret_access_key = "+key.SecretAccessKey+"\n")
	testutil.Write(t, "conf/config.yaml", "credentials: {source_profile: default, iam_role: '"+roleARN+"'}\n")
	return startWith(t, edit), sts, key
}

// startWith runs a daemon with edited options; edit may be nil.
func startWith(t *testing.T, edit func(*app.Options), set ...string) *daemon {
	t.Helper()
	loaded, err := config.Load(config.Sources{Set: append([]string{"metrics.listen=127.0.0.1:0"}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{log: new(testutil.Buffer), access: new(testutil.Buffer)}
	level := new(slog.LevelVar)
	opt := app.Options{
		Config: loaded, Version: "1.2.3", WithoutListen: true, Listen: []string{"127.0.0.1:0"},
		Log: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: level})), Level: level, AccessLog: d.access,
	}
	if edit != nil {
		edit(&opt)
	}
	m := New(opt.Version, time.Now)
	opt.Observer = m
	opt.Metrics = func(a *app.App) (app.Metrics, error) {
		d.metrics, err = m.Listen(t.Context(), a.State().Config.Config.Metrics.Listen, a, opt.Log)
		return d.metrics, err
	}
	if d.App, err = app.New(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	d.url, d.base = api.URL(d.Addrs()[0].String()), strings.TrimSuffix(api.URL(d.metrics.Addr().String()), "/")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-d.Started()
	d.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	return d
}

// answered is an answer that has been read.
type answered struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with headers such as "Host: x".
func ask(t testing.TB, method, url string, headers ...string) answered {
	t.Helper()
	return askBy(t, http.DefaultTransport, method, url, headers...)
}

func askBy(t testing.TB, by http.RoundTripper, method, url string, headers ...string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := by.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header, string(body)}
}

// scrape reads /metrics in the plain format.
func (d *daemon) scrape(t testing.TB) string {
	t.Helper()
	got := ask(t, http.MethodGet, d.base+"/metrics")
	if got.status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", got.status, got.body)
	}
	return got.body
}

// fake is a Daemon that says what a test wants.
type fake struct {
	sample  func() app.Sample
	answers func(ctx context.Context) error
	ready   func() error
}

func newFake() *fake {
	return &fake{
		sample: func() app.Sample { return app.Sample{} }, answers: func(context.Context) error { return nil }, ready: func() error { return nil },
	}
}

func (f *fake) Sample() app.Sample                   { return f.sample() }
func (f *fake) Answers(ctx context.Context) error    { return f.answers(ctx) }
func (f *fake) Ready() error                         { return f.ready() }
func (f *fake) Admit(next http.Handler) http.Handler { return web.CleanPath(next) }
func (f *fake) Limit(l net.Listener) net.Listener    { return l }
