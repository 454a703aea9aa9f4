package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	mocked   = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/myrole'}\n"
	real     = "credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole'}\n"
	rolePath = "latest/meta-data/iam/security-credentials/myrole"
)

// counted is a daemon with metrics, which serves within this process until the test ends.
type counted struct {
	*app.App
	m     *Metrics
	url   string           // of the metadata service, with a slash at the end
	pages string           // of the metrics, likewise
	lines *testutil.Buffer // the access log, in JSON
	log   *testutil.Buffer
	clock *clock
}

// clock is the time, and how much a test has added to it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// count runs a daemon of a configuration in an isolated home, until the test ends.
func count(t *testing.T, configuration string, change ...func(*app.Options)) *counted {
	t.Helper()
	testutil.IsolateHome(t)
	return countHere(t, configuration, change...)
}

// countHere is count in the home that the test has made.
func countHere(t *testing.T, configuration string, change ...func(*app.Options)) *counted {
	t.Helper()
	file := testutil.WriteTemp(t, "config.yaml", configuration)
	loaded, err := config.Load(config.Sources{File: file, Set: []string{"log.format=json"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{lines: new(testutil.Buffer), log: new(testutil.Buffer), clock: new(clock)}
	c.m = New("test", c.clock.now)
	var served *Server
	opt := app.Options{
		Config: loaded, Version: "test", WithoutListen: true, Listen: []string{"127.0.0.1:0"}, Level: new(slog.LevelVar), AccessLog: c.lines,
		Log: slog.New(slog.NewJSONHandler(c.log, nil)), Now: c.clock.now, Observer: c.m,
		Metrics: func(a *app.App) (app.Metrics, error) {
			served, err = c.m.Listen(t.Context(), "127.0.0.1:0", a, slog.New(slog.DiscardHandler))
			return served, err
		},
	}
	for _, edit := range change {
		edit(&opt)
	}
	if c.App, err = app.New(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	c.url, c.pages = api.URL(c.Addrs()[0].String()), api.URL(served.Addr().String())
	c.ask(t, http.MethodGet, "status", "User-Agent", api.StatusAgent) // not counted: Run answers when changes are possible
	c.Settle(t.Context())
	return c
}

// countSTS runs a daemon whose credentials are of a fake STS.
func countSTS(t *testing.T, configuration string, change ...func(*app.Options)) (*counted, *stsfake.Server) {
	t.Helper()
	s := fakeSTS(t)
	return countHere(t, configuration, change...), s
}

// fakeSTS serves a fake STS, whose user is the default profile, with the role myrole.
func fakeSTS(t *testing.T) *stsfake.Server {
	t.Helper()
	testutil.IsolateHome(t)
	s := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL())
	key := s.AddUser("developer")
	testutil.Write(t, ".aws/credentials", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey))
	s.AddRole("arn:aws:iam::123456789012:role/myrole")
	return s
}

// series are the values of a scrape, by name without its prefix and labels in their order.
type series map[string]float64

// text is a scrape.
func (c *counted) text(t testing.TB) string {
	t.Helper()
	resp, err := http.Get(c.pages + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
	}
	return string(body)
}

func (c *counted) scrape(t testing.TB) series {
	t.Helper()
	s := series{}
	for line := range strings.Lines(c.text(t)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s[strings.TrimPrefix(line[:at], namespace+"_")] = value
	}
	return s
}

// since are the values of s beside those of before, without those that are the same.
func (s series) since(before series) series {
	changed := series{}
	for name, value := range s {
		if was, ok := before[name]; !ok || was != value {
			changed[name] = value - was
		}
	}
	return changed
}

// of are the series of one name.
func (s series) of(name string) series {
	found := series{}
	for key, value := range s {
		if key == name || strings.HasPrefix(key, name+"{") {
			found[key] = value
		}
	}
	return found
}

// total is the sum of the series of one name.
func (s series) total(name string) (sum float64) {
	for _, value := range s.of(name) {
		sum += value
	}
	return sum
}

// want compares one series, which must exist.
func (s series) want(t testing.TB, key string, value float64) {
	t.Helper()
	if got, ok := s[key]; !ok || got != value {
		t.Errorf("%s is %v (there: %t), want %v", key, got, ok, value)
	}
}

// ask sends a request with headers, in pairs, and returns status and body.
func (c *counted) ask(t testing.TB, method, path string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := http.DefaultTransport
	if r.Header.Get("Connection") == "close" { // a kept one that is reset makes the transport ask again
		transport = &http.Transport{DisableKeepAlives: true}
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// token gets a session token.
func (c *counted) token(t testing.TB) string {
	t.Helper()
	status, token := c.ask(t, http.MethodPut, "latest/api/token", ttlHeader, "600")
	if status != http.StatusOK {
		t.Fatalf("no token: %d", status)
	}
	return token
}

const (
	ttlHeader   = "X-aws-ec2-metadata-token-ttl-seconds"
	tokenHeader = "X-aws-ec2-metadata-token"
)

// requestLine is what a line of the access log says, as the counter's series has it.
type requestLine struct {
	Method, Path, Route, IMDS string
	Status                    int
}

// logged are the lines of the access log.
func (c *counted) logged(t testing.TB) []requestLine {
	t.Helper()
	var all []requestLine
	for line := range strings.Lines(c.lines.String()) {
		var l requestLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

// asSeries are the series that lines of the access log should have made.
func asSeries(lines []requestLine) series {
	s := series{}
	for _, l := range lines {
		status := strconv.Itoa(l.Status)
		if l.Status == 0 {
			status = otherCode
		}
		version := l.IMDS
		if version == "" {
			version = "none"
		}
		s[fmt.Sprintf(`requests_total{imds=%q,route=%q,status=%q}`, version, l.Route, status)]++
	}
	return s
}

// anywhere is a listener on the loopback whose clients have the address that the test says.
type anywhere struct {
	net.Listener
	mu   sync.Mutex // guards from
	from net.IP
}

func newAnywhere(t *testing.T) *anywhere {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &anywhere{Listener: l, from: net.IPv4(192, 0, 2, 7)}
}

// use makes it the daemon's only listener.
func (a *anywhere) use(opt *app.Options) { opt.Listen, opt.Listeners = nil, []net.Listener{a} }

func (a *anywhere) move(to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.from = net.ParseIP(to)
}

// Accept returns a connection of the client.
func (a *anywhere) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return &moved{c.(*net.TCPConn), &net.TCPAddr{IP: a.from, Port: 40000}}, nil
}

// moved is a connection from another address.
type moved struct {
	*net.TCPConn
	from *net.TCPAddr
}

// RemoteAddr is where the client seems to be.
func (m *moved) RemoteAddr() net.Addr { return m.from }

// peer is who changes the simulation.
var peer = api.Peer{UID: -1}

// alone has each request use a connection of its own.
var alone = []string{"Connection", "close"}
