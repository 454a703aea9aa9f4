package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// engine is a Locator that knows what the test says. Addresses in 172.16.0.0/12 should be known.
type engine struct {
	mu        sync.Mutex
	workloads map[string]*caller.Workload
	asked     int
	running   int
}

func (e *engine) Locate(_ context.Context, a netip.Addr) (*caller.Workload, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if w, ok := e.workloads[a.String()]; ok {
		return w, nil
	}
	if netip.MustParsePrefix("172.16.0.0/12").Contains(a) {
		return nil, fmt.Errorf("%w: %s", caller.ErrUnknown, a)
	}
	return nil, nil
}

func (e *engine) Run(ctx context.Context) {
	e.add(1)
	<-ctx.Done()
	e.add(-1)
}

func (e *engine) add(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running += n
}

func (e *engine) runs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

func (e *engine) Status() *api.Containers {
	return &api.Containers{Engine: "unix:///e.sock", Connected: true}
}

// Running is what put has said, as containers whose id is made of their address.
func (e *engine) Running() []caller.Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []caller.Running
	for address, w := range e.workloads {
		all = append(all, caller.Running{ID: w.ID, Workload: w, Addrs: []netip.Addr{netip.MustParseAddr(address)}})
	}
	return all
}

func (*engine) Group(context.Context, string) ([]*caller.Container, error) { return nil, nil }

func (e *engine) Container(_ context.Context, id string) (*caller.Container, error) {
	for _, r := range e.Running() {
		if r.ID == id {
			return &caller.Container{ID: id, Name: "box", Status: "running"}, nil
		}
	}
	return nil, nil
}

func (*engine) Stats(context.Context, string) (*caller.Stats, error) { return nil, nil }

// put says what runs at an address: a container that names a role by the label r.
func (e *engine) put(address, role string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := &caller.Workload{Name: "container of " + address, ID: containerID(address), Role: role, Source: "label r"}
	if role == "" {
		w.Source = ""
	}
	e.workloads[address] = w
}

// containerID is the id of the container at an address.
func containerID(address string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(address))) }

const withContainers = `
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}
  jobs: {iam_role: 'arn:aws:iam::123456789012:role/jobs'}
  secret: {iam_role: 'arn:aws:iam::123456789012:role/secret'}
clients:
  - {from: 172.20.0.0/16, role: jobs}
  - {from: 172.21.0.0/16, ec2: {instance_id: i-00000000000000002}}
containers:
  engine: unix:///e.sock
  allow: [web, jobs, 'arn:aws:iam::123456789012:role/dev-*']
server: {allow_clients: [0.0.0.0/0]}
`

// containers is a daemon whose container engine is e.
func containers(t *testing.T) (*unserved, *engine, *testutil.Buffer) {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", withContainers)
	e := &engine{workloads: map[string]*caller.Workload{}}
	opt := options(load(t, ""))
	opt.Containers = func(config.Containers) (Locator, error) { return e, nil }
	log := new(testutil.Buffer)
	opt.Log = slog.New(slog.NewJSONHandler(log, nil))
	u := newUnserved(t, opt)
	u.begin(t)
	testutil.Eventually(t, "the file's own credentials", func() bool { return log.Contains("got credentials") })
	return u, e, log
}

func TestContainers_LabelDecidesBeforeClientsAndTheFile(t *testing.T) {
	u, e, _ := containers(t)
	e.put("172.20.0.2", "web")
	e.put("172.20.0.3", "")
	e.put("172.18.0.2", "arn:aws:iam::123456789012:role/dev-7")
	e.put("172.18.0.3", "")
	e.put("172.21.0.2", "web")
	e.put("172.18.0.4", "none")
	for _, tt := range []struct{ name, address, want, instance string }{
		{"label", "172.20.0.2:1", "web", "i-0123456789abcdef0"},
		{"no label, an entry", "172.20.0.3:1", "jobs", "i-0123456789abcdef0"},
		{"ARN", "172.18.0.2:1", "dev-7", "i-0123456789abcdef0"},
		{"no label, no entry", "172.18.0.3:1", "base", "i-0123456789abcdef0"},
		{"label on the instance of an entry", "172.21.0.2:1", "web", "i-00000000000000002"},
		{"none", "172.18.0.4:1", "Not Found", "i-0123456789abcdef0"},
		{"not of the engine", "10.0.0.1:1", "base", "i-0123456789abcdef0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := u.from(tt.address, rolesPath); got != tt.want {
				t.Errorf("role %q, want %q", got, tt.want)
			}
			if got := u.from(tt.address, "meta-data/instance-id"); got != tt.instance {
				t.Errorf("instance %q, want %q", got, tt.instance)
			}
			if tt.want == "Not Found" {
				return
			}
			if got := u.from(tt.address, rolesPath+tt.want); !strings.Contains(got, "Success") {
				t.Errorf("credentials: %s", got)
			}
		})
	}
	if got := u.from("172.18.0.2:1", "meta-data/iam/info"); !strings.Contains(got, "instance-profile/dev-7") {
		t.Errorf("iam/info: %s", got)
	}
}

func TestContainers_UnknownAddressIs503OnEveryPath(t *testing.T) {
	u, e, log := containers(t)
	id := u.id(t, "web")
	for _, path := range []string{"/latest/meta-data/instance-id", "/latest/" + rolesPath + "base", "/latest/user-data", "/", "/v2/credentials/" + id, "/status"} {
		if rec := u.do(http.MethodGet, path, "172.20.0.9:1"); rec.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if rec := u.do(http.MethodPut, "/latest/api/token", "172.20.0.9:1"); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("token: %d", rec.Code)
	}
	if n := strings.Count(log.String(), "client is not known"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
	if got := u.Status().Refused["unknown"]; got != 7 {
		t.Errorf("%d are counted", got)
	}
	asked := e.asked
	if got := u.from("127.0.0.1:1", rolesPath); got != "base" || e.asked != asked {
		t.Errorf("this machine gets %q; the engine was asked %d times", got, e.asked-asked)
	}
	e.put("172.20.0.9", "web")
	if got := u.from("172.20.0.9:1", rolesPath); got != "web" {
		t.Errorf("a container that is known now gets %q", got)
	}
}

func TestContainers_AddressOfAnotherContainerHasItsRole(t *testing.T) {
	u, e, _ := containers(t)
	for _, role := range []string{"web", "jobs", "", "web"} {
		e.put("172.18.0.2", role)
		want := role
		if want == "" {
			want = "base"
		}
		if got := u.from("172.18.0.2:1", rolesPath); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestContainers_RoleThatAllowDoesNotPermitIsDenied(t *testing.T) {
	u, e, log := containers(t)
	for role, name := range map[string]string{
		"secret":                                   "secret",
		"nosuch":                                   "nosuch",
		"arn:aws:iam::123456789012:role/admin":     "admin",
		"arn:aws:iam::999999999999:role/dev-7":     "dev-7",
		"arn:aws:iam::123456789012:role/x/dev-7":   "dev-7",
		"arn:aws:iam::123456789012:role/dev-7\nx/": "denied",
		"a b/c\x00é":                               "c--",
	} {
		before := len(log.String())
		e.put("172.18.0.2", role)
		if got := u.from("172.18.0.2:1", rolesPath); got != name {
			t.Errorf("%q is listed as %q, want %q", role, got, name)
		}
		for range 2 {
			rec := u.do(http.MethodGet, "/latest/"+rolesPath+name, "172.18.0.2:1")
			got := rec.Body.String()
			if rec.Code != http.StatusOK || !strings.Contains(got, `"Code" : "AccessDenied"`) ||
				!strings.Contains(got, "label r names the role ") || !strings.Contains(got, "containers.allow does not permit; add it there") {
				t.Errorf("%q: %d %s", role, rec.Code, got)
			}
		}
		if got := u.from("172.18.0.2:1", "meta-data/instance-id"); got != "i-0123456789abcdef0" {
			t.Errorf("the rest of the tree: %s", got)
		}
		lines := log.String()[before:]
		if n := strings.Count(lines, "role of a container denied"); n != 1 {
			t.Errorf("%q: %d lines: %s", role, n, lines)
		}
		if strings.Contains(lines, "got credentials") {
			t.Errorf("%q: credentials were fetched", role)
		}
	}
}

func TestContainers_IDIsOfTheContainersOwnRoleOnly(t *testing.T) {
	u, e, _ := containers(t)
	e.put("172.18.0.2", "web")
	e.put("172.18.0.3", "secret")
	e.put("172.18.0.4", "")
	for _, tt := range []struct {
		address, role string
		want          int
	}{
		{"172.18.0.2:1", "web", http.StatusOK},
		{"172.18.0.2:1", "jobs", http.StatusBadRequest},
		{"172.18.0.3:1", "secret", http.StatusBadRequest},
		{"172.18.0.4:1", "jobs", http.StatusOK}, // it names none, and no entry is for it: the id suffices
	} {
		if rec := u.do(http.MethodGet, "/v2/credentials/"+u.id(t, tt.role), tt.address); rec.Code != tt.want {
			t.Errorf("%s asks for %s: %d %s", tt.address, tt.role, rec.Code, rec.Body)
		}
	}
}

func TestContainers_ReloadOfTheEngineReplacesTheLocator(t *testing.T) {
	u, e, _ := containers(t)
	testutil.Eventually(t, "the locator runs", func() bool { return e.runs() == 1 })
	if err := u.reload(t, strings.Replace(withContainers, "allow: [web, ", "allow: [", 1)); err != nil {
		t.Fatal(err)
	}
	e.put("172.18.0.2", "web")
	if got := u.from("172.18.0.2:1", rolesPath+"web"); !strings.Contains(got, "AccessDenied") {
		t.Errorf("a role that is no more in allow: %s", got)
	}
	if e.runs() != 1 {
		t.Errorf("%d locators run", e.runs())
	}
	if err := u.reload(t, strings.Replace(withContainers, "engine: unix:///e.sock", "engine: ''", 1)); err != nil {
		t.Fatal(err)
	}
	if got := u.from("172.20.0.9:1", rolesPath); e.runs() != 0 || got != "jobs" || u.Status().Containers != nil {
		t.Errorf("without an engine %d locators run, and %q answers", e.runs(), got)
	}
}
