package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/myrole"
	rolePath  = "latest/meta-data/iam/security-credentials/myrole"
	mfaDevice = "arn:aws:iam::123456789012:mfa/developer"

	// realConfig gets credentials of roleARN from STS, mockConfig makes them up.
	realConfig = "credentials:\n  source_profile: default\n  iam_role: " + roleARN + "\n"
	mockConfig = "credentials: {mock: true, iam_role: '" + roleARN + "'}\n"
)

// daemon is an App that serves within this process.
type daemon struct {
	*App
	url  string // with a slash at the end
	log  *testutil.Buffer
	stop func() error // waits for Run
}

// load reads a configuration file, "" for conf/config.yaml or the embedded default, with keys set as by --set.
func load(t testing.TB, file string, set ...string) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(config.Sources{File: file, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// options are those of a daemon on a free port of the loopback.
func options(loaded *config.Loaded) Options {
	return Options{
		Config: loaded, Version: "test", WithoutListen: true, Listen: []string{"127.0.0.1:0"},
		Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar),
	}
}

// start runs a daemon with conf/config.yaml, or the embedded default, until the test ends.
func start(t *testing.T, set ...string) *daemon {
	t.Helper()
	return startWith(t, options(load(t, "", append(set, "log.level=debug")...)))
}

// startWith runs a daemon until the test ends. Its log, in JSON, is in daemon.log.
func startWith(t *testing.T, opt Options) *daemon {
	t.Helper()
	log := new(testutil.Buffer)
	opt.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: opt.Level}))
	a, err := New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	d := &daemon{
		App: a, url: api.URL(a.Addrs()[0].String()), log: log,
		stop: sync.OnceValue(func() error { cancel(); return <-ended }),
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	fetch(t, d.url) // Run answers when files are watched and changes are possible
	return d
}

// get sends a GET; path has no slash at the start.
func (d *daemon) get(t testing.TB, path string) (int, string) {
	t.Helper()
	return fetch(t, d.url+path)
}

func fetch(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// status reads the /status page.
func (d *daemon) status(t testing.TB) api.Status {
	t.Helper()
	code, body := d.get(t, "status")
	var s api.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("/status: %d %s: %v", code, body, err)
	}
	return s
}

// wantLog waits until the log contains a text.
func (d *daemon) wantLog(t testing.TB, text string) {
	t.Helper()
	testutil.Eventually(t, "the log contains "+text, func() bool { return d.log.Contains(text) })
}

// unserved is an App whose handler the test calls. Nothing in it waits for the system, so that it can live in a synctest
// bubble: it has no listener, watches neither files nor networks and makes no key in the background.
type unserved struct {
	*App
	http http.Handler
}

// newUnserved makes an App without listeners. Keepers run from begin on.
func newUnserved(t testing.TB, opt Options) *unserved {
	t.Helper()
	opt.Listen, opt.WithoutListen = nil, true
	a, err := New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &unserved{a, a.handler()}
}

// begin does what Run does for the state, but for the watches, until the test ends.
func (u *unserved) begin(t testing.TB) {
	t.Helper()
	s := u.State()
	u.configWatch.files = s.Config.WatchFiles() // as if they were watched
	u.credentialsWatch.files = sts.Files(t.Context(), s.Config.Config.Credentials.SourceProfile)
	u.startChanges(t.Context())
	t.Cleanup(u.stopChanges)
}

// ask sends a GET from the loopback to the handler.
func (u *unserved) ask(path string) *httptest.ResponseRecorder {
	return u.do(http.MethodGet, path, "127.0.0.1:40000")
}

// do sends a request without a body from an address to the handler.
func (u *unserved) do(method, path, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", from
	rec := httptest.NewRecorder()
	u.http.ServeHTTP(rec, r)
	return rec
}

// profile is a default profile with a key.
func profile(key stsfake.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
}

// startSTS serves a fake STS with a user, whose key is in the default profile of an isolated home, until the test ends.
func startSTS(t *testing.T) *stsfake.Server {
	t.Helper()
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
	return sts
}

// goroutines counts those with a function on their stack.
func goroutines(function string) int { return strings.Count(stacks(), function+"(") }

func stacks() string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
	return b.String()
}

// usage is what a daemon must give back.
type usage struct {
	goroutines int
	files      []string // what the open descriptors are, sorted; empty where the system does not tell
}

// idle waits until the daemons of earlier tests have given back all, and returns what this process uses then.
func idle(t *testing.T) usage {
	t.Helper()
	var last usage
	testutil.Eventually(t, "no daemon of an earlier test", func() bool {
		before := last
		last = used()
		for stack := range strings.SplitSeq(stacks(), "\n\n") {
			if strings.Contains(stack, "mock-ec2-metadata/") && !strings.Contains(stack, "testing.tRunner") {
				return false
			}
		}
		return last.goroutines == before.goroutines && slices.Equal(last.files, before.files)
	})
	return last
}

// used is what this process uses now.
func used() usage {
	http.DefaultClient.CloseIdleConnections()
	u := usage{goroutines: runtime.NumGoroutine()}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "/proc/") {
			u.files = append(u.files, target)
		}
	}
	slices.Sort(u.files)
	return u
}

// wantUsed waits until this process uses no more than before; an earlier test may have given back something since.
func wantUsed(t *testing.T, before usage) {
	t.Helper()
	var now usage
	defer func() {
		if t.Failed() {
			t.Logf("before %+v\nnow %+v\n%s", before, now, stacks())
		}
	}()
	testutil.Eventually(t, "the goroutines and open files of before", func() bool {
		now = used()
		opened := slices.ContainsFunc(now.files, func(file string) bool { return !slices.Contains(before.files, file) })
		return now.goroutines <= before.goroutines && !opened
	})
}
