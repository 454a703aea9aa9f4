package metrics

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/testutil"
)

// everySurface is a daemon that has all routes.
const everySurface = mocked + `
roles:
  web: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/web'}
pod_identity: {enabled: true, verify: jwks, listen: [], associations: [{namespace: shop, service_account: web, role: web}]}
ec2: {user_data: hello}
`

func TestRequests_EachRouteIsCountedByARealPath(t *testing.T) {
	c := count(t, everySurface)
	token := c.token(t)
	for _, tt := range []struct {
		method, path, header string
		want                 string
	}{
		{"PUT", "latest/api/token", "ttl", `imds="v2",route="token",status="200"`},
		{"PUT", "latest/api/token", "", `imds="v2",route="token",status="400"`},
		{"GET", "latest/api/token", "", `imds="v1",route="token",status="405"`},
		{"PUT", "2021-07-15/api/token", "ttl", `imds="v2",route="token",status="403"`},
		{"GET", rolePath, "", `imds="v1",route="credentials",status="200"`},
		{"GET", rolePath, "token", `imds="v2",route="credentials",status="200"`},
		{"HEAD", "latest/meta-data/iam/security-credentials/none", "", `imds="v1",route="credentials",status="404"`},
		{"GET", "latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance", "token", `imds="v2",route="credentials",status="404"`},
		{"GET", "latest/meta-data/instance-id", "", `imds="v1",route="meta_data",status="200"`},
		{"GET", "2021-07-15/meta-data/no/such/path", "token", `imds="v2",route="meta_data",status="404"`},
		{"POST", "latest/meta-data/instance-id", "", `imds="v1",route="meta_data",status="405"`},
		{"GET", "latest/dynamic/instance-identity/document", "", `imds="v1",route="dynamic",status="200"`},
		{"GET", "latest/user-data", "token", `imds="v2",route="user_data",status="200"`},
		{"GET", "", "", `imds="v1",route="listing",status="200"`},
		{"GET", "latest", "", `imds="v1",route="listing",status="200"`},
		{"GET", "latest/meta-data/", "token", `imds="v2",route="listing",status="200"`},
		{"GET", "latest/meta-data/iam/security-credentials/", "", `imds="v1",route="listing",status="200"`},
		{"GET", "status", "", `imds="none",route="status",status="200"`},
		{"GET", "v1/events", "", `imds="none",route="other",status="404"`}, // on the same connection
		{"GET", "v2/credentials/none", "", `imds="none",route="ecs",status="400"`},
		{"GET", "v1/credentials", "", `imds="none",route="pod_identity",status="400"`},
		{"GET", "latest/other", "", `imds="v1",route="other",status="404"`},
		{"GET", "anything", "", `imds="v1",route="other",status="404"`},
		{"GET", "no-version/meta-data/instance-id", "token", `imds="v2",route="other",status="404"`},
		{"GET", "healthz", "", `imds="v1",route="other",status="404"`},
	} {
		t.Run(tt.method+" "+tt.path+" "+tt.header, func(t *testing.T) {
			before := c.scrape(t).of("requests_total")
			headers := map[string][]string{"ttl": {ttlHeader, "600"}, "token": {tokenHeader, token}}[tt.header]
			status, _ := c.ask(t, tt.method, tt.path, headers...)
			got := c.scrape(t).of("requests_total").since(before)
			if want := (series{"requests_total{" + tt.want + "}": 1}); !maps.Equal(got, want) {
				t.Errorf("%d is counted as %v, want %v", status, got, want)
			}
		})
	}
}

func TestRequests_UnusualStatusIsOther(t *testing.T) {
	c := count(t, mocked+"faults: [{match: {paths: [meta-data/instance-id]}, status: 418}, {match: {paths: [meta-data/ami-id]}, reset: true}]\n")
	before := c.scrape(t)
	for _, path := range []string{"instance-id", "ami-id"} {
		c.ask(t, "GET", "latest/meta-data/"+path, alone...)
	}
	testutil.Eventually(t, "both are counted", func() bool {
		return c.scrape(t).since(before)[`requests_total{imds="v1",route="meta_data",status="other"}`] == 2
	})
}

// mix asks n requests of many kinds, and some health checks, which count for nothing.
func (c *counted) mix(t *testing.T, n int) {
	t.Helper()
	token := c.token(t)
	kinds := []struct {
		method, path string
		headers      []string
	}{
		{method: "GET", path: "latest/meta-data/instance-id"},
		{method: "GET", path: rolePath, headers: []string{tokenHeader, token}},
		{method: "PUT", path: "latest/api/token", headers: []string{ttlHeader, "60"}},
		{method: "PUT", path: "latest/api/token"},
		{method: "GET", path: "latest/meta-data/none"},
		{method: "HEAD", path: "latest/dynamic/instance-identity/document"},
		{method: "OPTIONS", path: "latest/user-data"},
		{method: "DELETE", path: "latest/user-data"},
		{method: "GET", path: "latest/", headers: []string{tokenHeader, "malformed"}},
		{method: "GET", path: "status"},
		{method: "GET", path: "v2/credentials/0"},
		{method: "GET", path: "v1/credentials", headers: []string{"Authorization", "none"}},
		{method: "BREW", path: "latest/meta-data/"},
		{method: "GET", path: "latest/meta-data/ami-id", headers: alone}, // reset by a fault
		{method: "GET", path: "latest/meta-data/hostname"},               // spoiled by another
	}
	choice := rand.New(rand.NewPCG(1, 2))
	for range n - 1 { // and the token's
		k := kinds[choice.IntN(len(kinds))]
		c.ask(t, k.method, k.path, k.headers...)
	}
	for range 10 {
		c.ask(t, "GET", "status", "User-Agent", api.StatusAgent)
	}
}

const mixFaults = "faults: [{match: {paths: [meta-data/ami-id]}, reset: true}, {match: {paths: [meta-data/hostname]}, status: 503}]\n"

func TestRequests_CountersEqualTheLinesOfTheAccessLog(t *testing.T) {
	c := count(t, everySurface+mixFaults)
	before := c.scrape(t)
	c.mix(t, 1000)
	testutil.Eventually(t, "1,000 lines", func() bool { return len(c.logged(t)) >= 1000 })
	want := asSeries(c.logged(t))
	if n := len(c.logged(t)); n != 1000 || len(want) < 15 {
		t.Fatalf("%d lines of %d kinds, want 1000 of many", n, len(want))
	}
	got := c.scrape(t).since(before).of("requests_total")
	if !maps.Equal(got, want) {
		t.Errorf("counted %v\nlogged %v", got, want)
	}
}

func TestRequests_AreCountedWithoutAnAccessLog(t *testing.T) {
	logged := count(t, everySurface+mixFaults)
	logged.mix(t, 1000)
	silent := countHere(t, everySurface+mixFaults+"log: {access: false}\n")
	before := silent.scrape(t)
	silent.mix(t, 1000)
	want := asSeries(logged.logged(t))
	var got series
	testutil.Eventually(t, "1,000 requests", func() bool {
		got = silent.scrape(t).since(before).of("requests_total")
		return got.total("requests_total") >= 1000
	})
	if !maps.Equal(got, want) {
		t.Errorf("counted %v\nthe same requests made these lines: %v", got, want)
	}
	if lines := silent.lines.String(); lines != "" {
		t.Errorf("the access log is off and has %s", lines)
	}
}

// hostile are parts of requests that clients choose.
func hostile(r *rand.Rand) string {
	parts := []string{
		"GET", "latest", "meta-data", "\"", "\\n", "{a=\"b\"}", "%00", "%ff", "..", "//", "é", "<script>", "#", "?x=", "~", "role", "arn:aws:iam::1:role/x",
		strings.Repeat("a", 300), fmt.Sprint(r.Uint64()),
	}
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

// TestMetrics_ClientsMakeNoSeries has 1,000 clients send 10,000 hostile requests.
func TestMetrics_ClientsMakeNoSeries(t *testing.T) {
	c, _ := countSTS(t, real+"server: {allow_hosts: [good.example]}\n")
	c.ask(t, "GET", rolePath)
	before := c.scrape(t)
	clients := make(chan int)
	var sent sync.Map // by status
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range clients {
				for range 10 {
					status := c.hostileRequest(t, n)
					sent.Store(status, true)
				}
			}
		})
	}
	for n := range 1000 {
		clients <- n
		if n%100 == 0 {
			c.scrape(t) // while others are answered
		}
	}
	close(clients)
	all.Wait()
	after := c.scrape(t)
	if a, b := slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)); !slices.Equal(a, b) {
		t.Errorf("%d series became %d", len(a), len(b))
	}
	if len(after) > 600 {
		t.Errorf("%d series, want at most 600", len(after))
	}
	counted := after.total("requests_total") - before.total("requests_total")
	refused := after.total("refused_total") - before.total("refused_total")
	t.Logf("%d series, %v requests counted, %v refused", len(after), counted, refused)
	if counted < 2000 || refused < 1000 {
		t.Errorf("%v requests and %v refusals are too few to prove anything", counted, refused)
	}
	for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusForbidden} {
		if _, ok := sent.Load(status); !ok {
			t.Errorf("no request was answered with %d", status)
		}
	}
}

// hostileRequest sends a request of the nth client, and returns its status; 0 for none.
func (c *counted) hostileRequest(t *testing.T, n int) int {
	r := rand.New(rand.NewPCG(uint64(n), rand.Uint64()))
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n/250), byte(n%250+1))}}
	conn, err := dialer.DialContext(t.Context(), "tcp", c.Addrs()[0].String())
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = conn.Close() }()
	method, path, host, agent := "GET", "/latest/meta-data/"+hostile(r), "localhost", hostile(r)
	switch r.IntN(6) {
	case 0:
		method = hostile(r)
	case 1:
		path = "/" + hostile(r)
	case 2:
		host = fmt.Sprintf("h%d.evil.example", r.Uint64())
	case 4:
		host = hostile(r)
	case 3:
		path, host = rolePathOf(r), "good.example"
	}
	_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nX-%d: %s\r\nConnection: close\r\n\r\n",
		method, path, host, agent, r.Uint64(), hostile(r))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func rolePathOf(r *rand.Rand) string {
	return [...]string{"/" + rolePath, "/latest/meta-data/iam/security-credentials/" + fmt.Sprint(r.Uint64()), "/status", "/latest/api/token"}[r.IntN(4)]
}

func TestMetrics_TwoDaemonsCountApart(t *testing.T) {
	a := count(t, mocked)
	b := countHere(t, strings.ReplaceAll(mocked, "myrole", "other"), func(*app.Options) {})
	before := b.scrape(t)
	for range 3 {
		a.ask(t, "GET", "latest/meta-data/instance-id")
		a.token(t)
	}
	a.ask(t, "GET", "", "Host", "evil.example.com")
	a.scrape(t).want(t, `requests_total{imds="v1",route="meta_data",status="200"}`, 3)
	a.scrape(t).want(t, "session_tokens_issued_total", 3)
	a.scrape(t).want(t, `refused_total{rule="hosts"}`, 1)
	for name, change := range b.scrape(t).since(before) {
		if !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "go_") {
			t.Errorf("%s of the other daemon changed by %v", name, change)
		}
	}
	if roles := b.scrape(t).of("credentials_valid"); len(roles) != 1 || roles[`credentials_valid{account_id="123456789012",role="other"}`] != 1 {
		t.Errorf("the other daemon has %v", roles)
	}
}
