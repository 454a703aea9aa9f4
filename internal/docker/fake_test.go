package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/testutil"
)

// fakeEngine serves the Engine API over net.Pipe, so that it runs in a bubble of testing/synctest.
type fakeEngine struct {
	mu         sync.Mutex // guards all below
	containers map[string]fakeContainer
	networks   string // the answer to GET /networks
	streams    map[chan string]bool
	conns      []net.Conn
	down       bool
	gates      map[string]chan struct{} // answers that wait, by path; they are written before they wait
	status     map[string]int           // other than 200, by path
	requests   map[string]int           // by path
	alias      map[string]string        // ids by name
	inFlight   int                      // inspects
	mostAtOnce int                      // inspects
	delay      time.Duration            // of an inspect
}

// fakeContainer is one that runs, unless state says otherwise.
type fakeContainer struct {
	name, state string
	started     int // seconds
	labels      map[string]string
	env         []string
	mode        string                  // of HostConfig
	networks    map[string]fakeEndpoint // by network id
	stats       string                  // the answer to GET /stats; "" is an empty one
}

type fakeEndpoint struct{ ip, ip6, mac string }

const (
	shopNetworks = `[{"Name":"shop","Id":"n1","IPAM":{"Config":[
		{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"},{"Subnet":"fd00:1::/64","Gateway":"fd00:1::1/64"}]}},
		{"Name":"host","Id":"n0","IPAM":{"Config":null}}]`
	roleLabel = "mock-ec2-metadata.role"
)

// web is a container on network n1 with a role by label.
func web(ip, role string, started int) fakeContainer {
	return fakeContainer{
		name: "web", started: started, labels: map[string]string{roleLabel: role},
		networks: map[string]fakeEndpoint{"n1": {ip: ip, mac: "02:42:ac:12:00:02"}},
	}
}

func newFake() *fakeEngine {
	return &fakeEngine{
		containers: map[string]fakeContainer{}, networks: shopNetworks, streams: map[chan string]bool{},
		gates: map[string]chan struct{}{}, status: map[string]int{}, requests: map[string]int{},
	}
}

// dial is the client's way to the engine. Each connection has a server of its own.
func (e *fakeEngine) dial(context.Context) (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nil, syscall.ECONNREFUSED
	}
	near, far := net.Pipe()
	e.conns = append(e.conns, far)
	l := &oneListener{conn: make(chan net.Conn, 1), addr: far.LocalAddr()}
	l.conn <- far
	server := &http.Server{Handler: e, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			l.once.Do(func() { close(l.conn) })
		}
	}}
	go func() { _ = server.Serve(l) }()
	return near, nil
}

// oneListener has one connection to accept.
type oneListener struct {
	conn chan net.Conn
	once sync.Once
	addr net.Addr
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conn; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return l.addr }

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1.44/_ping" {
		http.Error(w, "a filtering proxy permits /_ping alone", http.StatusForbidden)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1.44") + questionOf(r)
	if path == "/events" {
		e.serveEvents(w, r)
		return
	}
	inspect := strings.HasPrefix(path, "/containers/") && !strings.HasPrefix(path, "/containers/json")
	e.mu.Lock()
	e.requests[path]++
	if inspect {
		e.inFlight++
		e.mostAtOnce = max(e.mostAtOnce, e.inFlight)
	}
	gate, status, body := e.gates[path], e.status[path], e.answer(path)
	e.mu.Unlock()
	wait(r, gate)
	if inspect {
		time.Sleep(e.delay) // virtual
		e.mu.Lock()
		e.inFlight--
		e.mu.Unlock()
	}
	w.Header().Set("Api-Version", "1.44")
	if status == 0 && body == "" && !strings.Contains(path, "/stats?") {
		status = http.StatusNotFound
	}
	if status != 0 {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"message":"as the test wants"}`))
		return
	}
	_, _ = w.Write([]byte(body))
}

// wait lets a request wait for its gate; nil is none.
func wait(r *http.Request, gate chan struct{}) {
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-r.Context().Done():
	}
}

// answer needs mu. It is "" for what does not exist.
func (e *fakeEngine) answer(path string) string {
	var document any
	switch path {
	case "/_ping":
		return "OK"
	case "/networks":
		return e.networks
	case "/containers/json":
		all := []any{}
		for _, id := range slices.Sorted(maps.Keys(e.containers)) {
			if c := e.containers[id]; c.state == "" || c.state == "paused" {
				all = append(all, map[string]any{"Id": id, "NetworkSettings": c.settings()})
			}
		}
		document = all
	default:
		if label, ok := strings.CutPrefix(path, "/containers/json?label="); ok {
			return e.labelled(label)
		}
		if id, ok := strings.CutSuffix(path, "/stats?now"); ok {
			return e.containers[strings.TrimPrefix(id, "/containers/")].stats
		}
		id := strings.TrimSuffix(strings.TrimPrefix(path, "/containers/"), "/json")
		id = cmp.Or(e.alias[id], id)
		c, ok := e.containers[id]
		if !ok {
			return ""
		}
		document = map[string]any{
			"Id": id, "Name": "/" + c.name,
			"Created": time.Unix(int64(c.started), 0).UTC(),
			"State": map[string]any{
				"Status": cmp.Or(c.state, "running"), "Running": c.state == "" || c.state == "paused" || c.state == "restarting", "Paused": c.state == "paused",
				"Restarting": c.state == "restarting", "StartedAt": time.Unix(int64(c.started), 0).UTC(),
			},
			"Config":     map[string]any{"Labels": c.labels, "Env": c.env},
			"HostConfig": map[string]any{"NetworkMode": c.mode}, "NetworkSettings": c.settings(),
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (c fakeContainer) settings() any {
	nets := map[string]any{}
	for id, n := range c.networks {
		nets["name-of-"+id] = map[string]any{"NetworkID": id, "IPAddress": n.ip, "GlobalIPv6Address": n.ip6, "MacAddress": n.mac}
	}
	return map[string]any{"Networks": nets}
}

func (e *fakeEngine) serveEvents(w http.ResponseWriter, r *http.Request) {
	stream := make(chan string, 100)
	e.mu.Lock()
	e.streams[stream] = true
	gate := e.gates["/events"]
	e.mu.Unlock()
	wait(r, gate)
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.streams, stream)
	}()
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case line := <-stream:
			_, _ = w.Write([]byte(line))
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// emit sends events in one burst.
func (e *fakeEngine) emit(events ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for stream := range e.streams {
		stream <- strings.Join(events, "\n") + "\n"
	}
}

func containerEvent(action, id string) string {
	return fmt.Sprintf(`{"Type":"container","Action":%q,"Actor":{"ID":%q,"Attributes":{"name":"x"}}}`, action, id)
}

func networkEvent(action, network, id string) string {
	return fmt.Sprintf(`{"Type":"network","Action":%q,"Actor":{"ID":%q,"Attributes":{"container":%q}}}`, action, network, id)
}

// set changes the engine without an event.
func (e *fakeEngine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// hold makes the answers for path wait until the returned function is called. What they say is settled before they wait.
func (e *fakeEngine) hold(path string) (release func()) {
	gate := make(chan struct{})
	e.set(func() { e.gates[path] = gate })
	return func() {
		e.set(func() { delete(e.gates, path) })
		close(gate)
	}
}

// stop closes all connections and refuses others.
func (e *fakeEngine) stop() {
	e.set(func() {
		e.down = true
		for _, c := range e.conns {
			_ = c.Close()
		}
		e.conns = nil
	})
}

// count is the number of requests for path so far.
func (e *fakeEngine) count(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests[path]
}

// bench is a Locator that runs, its engine and its log.
type bench struct {
	*testing.T
	*Locator
	engine *fakeEngine
	log    *testutil.Buffer
}

// inBubble runs a test with a Locator in virtual time. prepare changes the engine before the Locator starts.
func inBubble(t *testing.T, prepare func(*fakeEngine), test func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		e, log := newFake(), &testutil.Buffer{}
		if prepare != nil {
			prepare(e)
		}
		l, err := New(Options{
			Engine: "unix:///run/fake.sock", Role: []string{"label:" + roleLabel, "env:IAM_ROLE"},
			Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		l.api = newClient("/run/fake.sock", e.dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()
		synctest.Wait()
		test(&bench{T: t, Locator: l, engine: e, log: log})
		cancel()
		<-done
		e.stop()
		synctest.Wait()
	})
}

// locate returns what is at an address as text: the workload with its role, nothing, or the error.
func (b *bench) locate(address string) string {
	b.Helper()
	w, err := b.Locate(b.Context(), netip.MustParseAddr(address))
	return describe(w, err)
}

func describe(w *caller.Workload, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("error: %v", err)
	case w == nil:
		return "nothing"
	}
	return fmt.Sprintf("%s, role %q of %q", w.Name, w.Role, w.Source)
}

// want checks what is at an address, and that the answer takes no time.
func (b *bench) want(address, want string) {
	b.Helper()
	start := time.Now()
	if got := b.locate(address); got != want {
		b.Errorf("%s is %s\nwant %s", address, got, want)
	}
	if took := time.Since(start); took != 0 {
		b.Errorf("%s took %v", address, took)
	}
}

// wantUnknown checks that an address fails, within caller.Wait.
func (b *bench) wantUnknown(address, reason string) {
	b.Helper()
	start := time.Now()
	if got := b.locate(address); got != "error: "+reason {
		b.Errorf("%s is %s\nwant error: %s", address, got, reason)
	}
	if took := time.Since(start); took > caller.Wait {
		b.Errorf("%s took %v", address, took)
	}
}

func isWeb(role string) string {
	return fmt.Sprintf("container web, role %q of %q", role, "label "+roleLabel)
}
