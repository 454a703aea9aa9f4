package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
)

// deaf is a listener whose connections are never answered.
type deaf struct {
	net.Listener
	closed chan struct{}
	close  func() error
}

func newDeaf(t *testing.T) *deaf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{Listener: l, closed: make(chan struct{})}
	d.close = sync.OnceValue(func() error { close(d.closed); return l.Close() })
	return d
}

func (d *deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }
func (d *deaf) Close() error              { return d.close() }

// TestHealthz_NamesTheStuckListeners has one listener that answers and two that do not.
func TestHealthz_NamesTheStuckListeners(t *testing.T) {
	testutil.IsolateHome(t)
	first, second := newDeaf(t), newDeaf(t)
	d := startWith(t, func(opt *app.Options) { opt.Listeners = []net.Listener{first, second} }, "credentials.mock=true", "credentials.iam_role="+roleARN)
	began := time.Now()
	for path, form := range map[string]string{
		"/healthz":        "%s does not answer\n%s does not answer\n",
		"/readyz":         "listeners: %s does not answer, %s does not answer\n",
		"/readyz?verbose": "[-]listeners %s does not answer, %s does not answer\n[+]credentials ok\n",
	} {
		want := fmt.Sprintf(form, first.Addr(), second.Addr())
		if got := ask(t, "GET", d.base+path); got.status != 503 || got.body != want {
			t.Errorf("%s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
	if took := time.Since(began); took < healthTime || took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestHealthz_IsAboutTheListenersAlone has an STS that refuses.
func TestHealthz_IsAboutTheListenersAlone(t *testing.T) {
	d, sts, _ := startReal(t, nil)
	_ = sts.Close()
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", d.base+"/healthz"); got.status != 200 || got.body != "ok\n" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s%v", got.status, got.body, got.header)
	}
}

// TestHealthz_LeavesNoTrace asks often, and looks for requests and lines of the log.
func TestHealthz_LeavesNoTrace(t *testing.T) {
	d := start(t)
	before := d.scrape(t)
	for range 3 {
		d.status(t, "/healthz")
	}
	for series, v := range values(t, d.scrape(t)) {
		if strings.HasPrefix(series, "mock_ec2_metadata_requests_total") && v != values(t, before)[series] {
			t.Errorf("%s is %v", series, v)
		}
	}
	if d.access.String() != "" {
		t.Errorf("the access log has %s", d.access)
	}
}

func TestHealthz_KeepsAnAnswerForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, asked := newFake(), 0
		f.answers = func(ctx context.Context) error {
			asked++
			if by, ok := ctx.Deadline(); !ok || time.Until(by) != healthTime {
				t.Errorf("it may take until %v", by)
			}
			time.Sleep(500 * time.Millisecond) // of the bubble
			return fmt.Errorf("answer %d", asked)
		}
		s, err := open(t, "127.0.0.1:0", f)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		see := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := s.askHandler("/healthz").Body.String(); got != want+"\n" {
				t.Errorf("%s, want %s", got, want)
			}
		}
		see(0, "answer 1")
		see(0, "answer 1")
		see(999*time.Millisecond, "answer 1")
		see(time.Millisecond, "answer 2")
	})
}

// TestHealthz_AsksOnceForAll has requests that come while the listeners are asked.
func TestHealthz_AsksOnceForAll(t *testing.T) {
	f, asking, wait := newFake(), make(chan struct{}, 9), make(chan struct{})
	f.answers = func(context.Context) error {
		asking <- struct{}{}
		<-wait
		return nil
	}
	s, err := open(t, "127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if got := s.askHandler("/healthz"); got.Code != 200 {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	<-asking
	close(wait)
	all.Wait()
	if len(asking) != 0 {
		t.Errorf("the listeners were asked %d times more", len(asking))
	}
}

// gradual is a Provider that answers with the next element of a channel.
type gradual chan error

func (g gradual) Retrieve(ctx context.Context) (*credentials.Credentials, error) {
	select {
	case err := <-g:
		if err != nil {
			return nil, err
		}
		return &credentials.Credentials{
			AccessKeyID: "ASIAQQQQQQQQQQQQQQQQ", SecretAccessKey: "secret", SessionToken: "token", Expiration: time.Now().Add(time.Hour), LastUpdated: time.Now(),
		}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestReadyz_FollowsALife begins while the first call is in flight, and ends with a role that STS refuses.
func TestReadyz_FollowsALife(t *testing.T) {
	next := make(gradual)
	d, _, _ := startReal(t, func(opt *app.Options) { opt.Provide = func(credentials.Spec) credentials.Provider { return next } })
	see := func(status int, short, verbose string) {
		t.Helper()
		testutil.Eventually(t, short, func() bool { return ask(t, "GET", d.base+"/readyz").body == short })
		if got := ask(t, "GET", d.base+"/readyz"); got.status != status {
			t.Errorf("%d %s, want %d", got.status, got.body, status)
		}
		if got := ask(t, "GET", d.base+"/readyz?verbose"); got.status != status || got.body != verbose {
			t.Errorf("verbose: %d %s, want %d %s", got.status, got.body, status, verbose)
		}
	}
	see(503, "credentials: pending\n", "[+]listeners ok\n[-]credentials pending\n")
	next <- nil
	see(200, "ok\n", "[+]listeners ok\n[+]credentials ok\n")
	testutil.Write(t, "conf/config.yaml", "credentials: {source_profile: default, iam_role: '"+roleARN+"2'}\n")
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	next <- &credentials.Error{Code: credentials.CodeFailed, Message: "AKIAQQQQQQQQQQQQQQQQ may not assume " + roleARN}
	see(503, "credentials: failed\n", "[+]listeners ok\n[-]credentials failed\n")
	testutil.Write(t, "conf/config.yaml", "{}\n")
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	see(200, "ok\n", "[+]listeners ok\n[+]credentials ok\n") // none, on purpose
}

func TestReadyz_TellsOfPodsInACluster(t *testing.T) {
	f := newFake()
	f.sample = func() app.Sample { return app.Sample{Kubernetes: new(api.Kubernetes)} }
	f.ready = func() error { return errors.New("the pods of the node are not known yet") }
	s, err := open(t, "127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.askHandler("/readyz?verbose=1"); got.Code != 503 || got.Body.String() != "[+]listeners ok\n[-]pods the pods of the node are not known yet\n" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}
