package app

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// manager is a service manager. It makes times and counters constant.
type manager struct {
	states chan string
	said   []string
}

func newManager() *manager { return &manager{states: make(chan string, 1000)} }

func (m *manager) notify(state string) error {
	state = regexp.MustCompile(`USEC=[1-9]\d+$`).ReplaceAllString(state, "USEC=n")
	state = regexp.MustCompile(`until 2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(state, "until TIME")
	m.states <- state
	return nil
}

// next waits for the next state.
func (m *manager) next(t *testing.T) string {
	t.Helper()
	select {
	case state := <-m.states:
		m.said = append(m.said, state)
		return state
	case <-time.After(20 * time.Second):
		t.Fatalf("no state after %q", m.said)
		return ""
	}
}

// expect waits for states in this order. Statuses may come between them.
func (m *manager) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		got := m.next(t)
		for strings.HasPrefix(got, "STATUS=") && got != w {
			got = m.next(t)
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

const servesStatus = "STATUS=serves i-0123456789abcdef0 with role myrole, credentials "

func TestNotify_ReportsEachChange(t *testing.T) {
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	sts.AddRole(roleARN)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, "conf/config.yaml", realConfig)
	m := newManager()
	opt := options(load(t, ""))
	opt.Notify = m.notify
	d := startWith(t, opt)
	if first := m.next(t); !strings.HasPrefix(first, "READY=1\n"+servesStatus) {
		t.Errorf("the first state is %s", first)
	}
	testutil.Write(t, ".aws/credentials", profile(key))
	m.expect(t, servesStatus+"valid until TIME")

	testutil.Write(t, "conf/config.yaml", "ec2: {hostname: not one}\n")
	m.expect(t, "RELOADING=1\nMONOTONIC_USEC=n", "READY=1",
		servesStatus+`valid until TIME; conf/config.yaml:1: ec2.hostname: "not one" holds a space or a control character`)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	m.expect(t, "RELOADING=1\nMONOTONIC_USEC=n", "READY=1", servesStatus+"valid until TIME")
	testutil.Write(t, "conf/config.yaml", "ec2: {hostname: a}\n")
	m.expect(t, "RELOADING=1\nMONOTONIC_USEC=n", "READY=1", "STATUS=serves i-0123456789abcdef0 without a role")
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	m.expect(t, "STOPPING=1")
}

func TestNotify_ErrorIsLoggedAndTheDaemonServes(t *testing.T) {
	testutil.IsolateHome(t)
	opt := options(load(t, ""))
	opt.Notify = func(string) error { return errors.New("nothing reads the socket") }
	d := startWith(t, opt)
	if s := d.status(t); s.Status != api.StatusOK {
		t.Errorf("status %+v", s)
	}
	d.wantLog(t, `"level":"WARN","msg":"cannot notify the service manager","error":"nothing reads the socket"`)
}

// TestNotify_ReloadsDoNotMix reloads from several goroutines: each RELOADING is followed by its own READY.
func TestNotify_ReloadsDoNotMix(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	m := newManager()
	opt := options(load(t, ""))
	opt.Notify = m.notify
	d := startWith(t, opt)
	m.next(t) // ready
	const reloads = 20
	ended := make(chan error, reloads)
	for range reloads {
		go func() { ended <- d.Reload("the test") }()
	}
	for range reloads {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for range reloads {
		m.expect(t, "RELOADING=1\nMONOTONIC_USEC=n", "READY=1")
	}
}

// TestNotify_NothingAfterTheEnd reloads a daemon that has stopped.
func TestNotify_NothingAfterTheEnd(t *testing.T) {
	testutil.IsolateHome(t)
	m := newManager()
	opt := options(load(t, ""))
	opt.Notify = m.notify
	d := startWith(t, opt)
	m.next(t) // ready
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	m.expect(t, "STOPPING=1")
	if err := d.Reload("the test"); !errors.Is(err, errNotRunning) {
		t.Errorf("error %v", err)
	}
	select {
	case state := <-m.states:
		t.Errorf("after STOPPING: %q", state)
	default:
	}
}
