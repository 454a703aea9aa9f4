package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	shared "mock-ec2-metadata/test/bench"
	"mock-ec2-metadata/test/stsfake"
)

// TestClient_AsksForTheCredentialsOfItsRole has a client get a token, and two answers over the same connection.
func TestClient_AsksForTheCredentialsOfItsRole(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-aws-ec2-metadata-token"))
		switch {
		case r.Method == http.MethodPut:
			_, _ = w.Write([]byte("the-token"))
		case len(asked) == 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte(`{"Code": "Success", "AccessKeyId": "ASIA1"}`))
		}
	}))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	c, err := dial(t.Context(), addr, shared.Member{Address: netip.MustParseAddr("127.0.0.1"), Role: "web"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		if status, err := c.ask(); err != nil || status != want {
			t.Errorf("%d, %v; want %d", status, err, want)
		}
	}
	if got := keyOf(c.body); got != "ASIA1" {
		t.Errorf("key %q of %q", got, c.body)
	}
	const path = "/latest/meta-data/iam/security-credentials/web the-token"
	if diff := cmp.Diff([]string{"PUT /latest/api/token ", "GET " + path, "GET " + path}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadAnswer(t *testing.T) {
	long := strings.Repeat("0123456789", 2000)
	for _, tt := range []struct {
		name, answer string
		status       int
		body, err    string
	}{
		{name: "good", answer: "HTTP/1.1 200 OK\r\nServer: EC2ws\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "empty", answer: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", status: 404},
		{name: "longer than the buffer", answer: "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + long, status: 200, body: long},
		{name: "no length", answer: "HTTP/1.1 200 OK\r\n\r\n", err: "an answer has no Content-Length"},
		{name: "no status", answer: "HTTP/1.1 twohundred\r\n\r\n", err: `an answer begins with "HTTP/1.1 twohundred\r\n"`},
		{name: "cut", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", err: "EOF"},
		{name: "nothing", err: "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, err := readAnswer(bufio.NewReaderSize(strings.NewReader(tt.answer), 8<<10), nil)
			if text(err) != tt.err || status != tt.status || err == nil && string(body) != tt.body {
				t.Errorf("%d %.40q, %q", status, body, text(err))
			}
		})
	}
}

func TestKeyOf_IsEmptyWithoutCredentials(t *testing.T) {
	for _, document := range []string{"", "no JSON", `{"Code": "Failed", "AccessKeyId": "ASIA1"}`} {
		if got := keyOf([]byte(document)); got != "" {
			t.Errorf("%q: %q", document, got)
		}
	}
}

// TestCheck_RefusesCredentialsOfAnotherRole checks what finds wrong answers.
func TestCheck_RefusesCredentialsOfAnotherRole(t *testing.T) {
	w := &world{sts: stsfake.New()}
	c := &client{member: shared.Member{Address: netip.MustParseAddr("127.16.0.1"), Role: "web"}, body: []byte(`{"Code": "Success", "AccessKeyId": "ASIA1"}`)}
	const want = `wrong answer: 127.16.0.1 of arn:aws:iam::123456789012:role/web got 200 with credentials of ""`
	if err := w.check(c, http.StatusOK); text(err) != want {
		t.Errorf("%q, want %q", text(err), want)
	}
}

func TestTally_Load(t *testing.T) {
	one := tally{took: 2 * time.Second}
	for i := range 200 {
		one.latencies = append(one.latencies, time.Duration(200-i)*time.Millisecond)
	}
	got, err := one.load(time.Second)
	if want := (load{perSecond: 100, p99: 199 * time.Millisecond, cpu: 5 * time.Millisecond}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := (&tally{}).load(time.Second); text(err) != "nothing was answered" {
		t.Errorf("without answers: %v", err)
	}
}

func TestIdentityRows(t *testing.T) {
	one := []load{{100, 10 * time.Millisecond, 9 * time.Microsecond}, {50, 10 * time.Millisecond, 9 * time.Microsecond}}
	many := []load{{90, 11 * time.Millisecond, 10 * time.Microsecond}, {48, 11 * time.Millisecond, 10 * time.Microsecond}}
	var b strings.Builder
	printTable(&b, append(
		coldRows([]float64{1, 26, 3}, []int{0, 20, 1}, 8, 5),
		manyToOne("GET", one, many)))
	const want = `| 3 cold roles asked for within 1 s, STS takes 100 ms and 50 calls a second: until the last client has credentials | ≤ 25.0 s | 26.0 s | short | half of them after 3.0 s; each has those of its own role; 21 answers told a client to retry |
| 3 cold roles asked for within 1 s, STS takes 100 ms and 50 calls a second: calls of STS that succeed | 3 | 3 | ok | and 5 that STS throttled |
| GET: requests a second, of one identity's | ≥ 0.95 | 0.93 | short | 0.90–0.96; 69, with one identity 75; by processor time 0.90: 10.0 µs a request, with one 9.0 µs; p99 11.0 ms and 10.0 ms |
`
	if _, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|\n"); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}

func TestParseRenewals(t *testing.T) {
	mean, busiest, err := parseRenewals("=== RUN   TestX\n    x_test.go:191: 36.6 calls a minute, 58 in the busiest\nPASS\n")
	if err != nil || mean != 36.6 || busiest != 58 {
		t.Errorf("%v, %v, %v", mean, busiest, err)
	}
	if _, _, err := parseRenewals("ok\n"); text(err) != "go test printed no calls a minute:\nok\n" {
		t.Errorf("without figures: %v", err)
	}
}

func TestStatusBytes(t *testing.T) {
	const status = "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n"
	for field, want := range map[string]int64{"VmHWM": 2_048_000, "VmRSS": 1_024_000} {
		if got, err := statusBytes(status, field); err != nil || got != want {
			t.Errorf("%s: %d, %v", field, got, err)
		}
	}
	if _, err := statusBytes(status, "VmSwap"); text(err) != `/proc/PID/status: VmSwap: strconv.ParseInt: parsing "": invalid syntax` {
		t.Errorf("a missing field: %v", err)
	}
}
