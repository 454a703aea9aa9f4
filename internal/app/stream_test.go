package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
)

// feed is an open stream.
type feed struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	id   string // of the last event that has one
}

// feedEvent is one event of a stream.
type feedEvent struct{ name, data string }

// open opens a stream, and reads its head.
func (c *controlled) open(query string) *feed {
	c.t.Helper()
	f, resp := c.tryOpen(query) //nolint:bodyclose // tryOpen closes the connection
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		body, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("%s %v %s", resp.Status, resp.Header, body)
	}
	return f
}

func (c *controlled) tryOpen(query string) (*feed, *http.Response) {
	c.t.Helper()
	conn, err := new(net.Dialer).DialContext(c.t.Context(), "unix", c.socket)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(conn, "GET /v1/stream"+query+" HTTP/1.1\r\nHost: control\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &feed{t: c.t, conn: conn, in: bufio.NewReader(resp.Body)}, resp
}

// next returns the next event; false at the end of the stream.
func (f *feed) next() (e feedEvent, ok bool) {
	f.t.Helper()
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			return e, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		case name == "id":
			f.id = value
		case line == "\n" && e.name != "":
			return e, true
		case line != "\n" && !strings.HasPrefix(line, ":"):
			f.t.Fatalf("no line of a stream: %q", line)
		}
	}
}

// until returns the first event of a name.
func (f *feed) until(name string) string {
	f.t.Helper()
	for {
		e, ok := f.next()
		if !ok {
			f.t.Fatalf("the stream ended without %s", name)
		}
		if e.name == name {
			return e.data
		}
	}
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var document T
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return document
}

// seqs are the numbers of the requests in an event.
func seqs(t *testing.T, data string) []int64 {
	t.Helper()
	var all []int64
	for _, r := range decoded[api.Requests](t, data).Requests {
		all = append(all, r.Seq)
	}
	return all
}

// burst has the daemon remember n requests, as if clients had sent them.
func (c *controlled) burst(n int) {
	for range n {
		c.record(&web.Record{Client: "10.1.1.1", Method: "GET", Path: "/latest/meta-data/mac", IMDS: "v1", Status: 200, At: time.Now()})
	}
}

func (c *controlled) refuse(n int) {
	for range n {
		c.recordDenial(nil, guard.Denial{Rule: "connections", Text: "too many"})
	}
}

func startStreamed(t *testing.T) *controlled {
	t.Helper()
	testutil.IsolateHome(t)
	return controlledBy(t, mockConfig)
}

func TestStream_RequestShowsWithinASecond(t *testing.T) {
	c := startStreamed(t)
	f := c.open("?topics=requests,refusals")
	for i := range 3 {
		before := time.Now()
		c.raw("127.0.0.1", plainGet(fmt.Sprintf("/latest/%d", i), "h", ""))
		c.raw("127.0.0.1", plainGet("/latest/", "evil.example", ""))
		refused, answered := false, false
		for !refused || !answered {
			switch e, _ := f.next(); e.name {
			case "requests":
				if r := decoded[api.Requests](t, e.data).Requests; len(r) != 1 || r[0].Path != fmt.Sprintf("/latest/%d", i) || r[0].Status != 404 || r[0].Client != "127.0.0.1" {
					t.Errorf("got %+v", r)
				}
				answered = true
			case "refusals":
				if r := decoded[api.Refusals](t, e.data).Refusals; len(r) != 1 || r[0].Rule != "hosts" || r[0].Value != `["evil.example"]` {
					t.Errorf("got %+v", r)
				}
				refused = true
			default:
				t.Fatalf("got %+v", e)
			}
		}
		if took := time.Since(before); took > time.Second {
			t.Errorf("after %v", took)
		}
	}
}

func TestStream_ResumesWithoutGapOrDouble(t *testing.T) {
	c := startStreamed(t)
	f := c.open("?topics=requests,refusals&after=0") // 1 is startWith's
	requests, refusals := seqs(t, f.until("requests")), []int64(nil)
	for round := range 12 {
		c.burst(3)
		c.refuse(2)
		for wanted := 5; wanted > 0; {
			e, ok := f.next()
			if !ok {
				t.Fatal("the stream ended")
			}
			id := f.id
			switch e.name {
			case "requests":
				requests = append(requests, seqs(t, e.data)...)
				wanted -= 3
			case "refusals":
				for _, r := range decoded[api.Refusals](t, e.data).Refusals {
					refusals = append(refusals, r.Seq)
				}
				wanted -= 2
			}
			if wanted == 0 && id == "" {
				t.Fatal("a batch without an id")
			}
		}
		if round%3 == 2 {
			after := f.id
			_ = f.conn.Close()
			c.burst(1)
			f = c.open("?topics=requests,refusals&after=" + after)
			requests = append(requests, seqs(t, f.until("requests"))...)
		}
	}
	for name, all := range map[string][]int64{"requests": requests, "refusals": refusals} {
		for i, seq := range all {
			if seq != int64(i)+1 {
				t.Fatalf("%s: number %d follows %v", name, seq, all[:i])
			}
		}
	}
	if len(requests) != 41 || len(refusals) != 24 {
		t.Errorf("%d requests, %d refusals", len(requests), len(refusals))
	}
}

func TestStream_SaysHowMuchIsMissing(t *testing.T) {
	c := startStreamed(t)
	f := c.open("?topics=requests,refusals") // at 1, which is startWith's
	c.burst(3000)
	c.refuse(300)
	if got := f.until("lagged"); got != `{"dropped":2600}` { // 500 and 200 are sent
		t.Errorf("got %s", got)
	}
	if got := decoded[api.Refusals](t, f.until("refusals")).Refusals; len(got) != 200 || got[199].Seq != 300 {
		t.Errorf("%d refusals", len(got))
	}
	if got := seqs(t, f.until("requests")); len(got) != 500 || got[499] != 3001 {
		t.Errorf("%d requests", len(got))
	}
	if f.id != "3301" {
		t.Errorf("the id is %s", f.id)
	}
	for _, tt := range []struct{ query, lagged string }{
		{"?topics=requests&after=3300", ""},
		{"?topics=requests&after=1", `{"dropped":2501}`},
		{"?topics=refusals&after=2990", `{"dropped":100}`}, // no request counts
		{"?topics=refusals&after=3051", `{"dropped":50}`},
		{"?topics=refusals&after=3101", ""},
		{"?topics=requests&after=99999", `{"dropped":2506}`}, // of an earlier daemon
		{"?topics=requests&after=0", ""},                     // what is remembered
	} {
		t.Run(tt.query, func(t *testing.T) {
			c.t = t
			f := c.open(tt.query)
			c.burst(1)
			e, _ := f.next()
			if got := map[bool]string{true: e.data}[e.name == "lagged"]; got != tt.lagged {
				t.Errorf("got %.200s", e.data)
			}
			_ = f.conn.Close()
		})
	}
}

func TestStream_OtherTopicsComeOnceAndWhenTheyChange(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}\n")
	f := c.open("")
	who := decoded[api.Who](t, f.until("credentials"))
	if who.ARN == "" || who.Switched != "" || !slices.Equal(who.Roles, []string{"", "web"}) {
		t.Errorf("got %+v", who)
	}
	if got := decoded[api.Config](t, f.until("config")); got.File != "conf/config.yaml" {
		t.Errorf("got %+v", got)
	}
	if got := f.until("simulation"); !strings.Contains(got, `"events":[],"faults":[]`) {
		t.Errorf("got %s", got)
	}
	c.call(http.MethodPut, "/v1/credentials/choice", `{"role": "web"}`)
	if e, _ := f.next(); e.name != "credentials" || decoded[api.Who](t, e.data).Switched != "web" {
		t.Errorf("got %+v", e)
	}
	c.call(http.MethodPut, "/v1/events/r", `{"restart": true, "user_data": "a secret"}`)
	for got := ""; !strings.Contains(got, `"user_data":"[redacted]"`); {
		if got = f.until("simulation"); strings.Contains(got, "a secret") {
			t.Fatalf("got %s", got)
		}
	}
	if _, text := c.call(http.MethodGet, "/v1/events/r", ""); !strings.Contains(text, "a secret") {
		t.Errorf("the event has lost its user data: %s", text)
	}
	testutil.Write(t, "conf/config.yaml", "nonsense\n")
	if c.Reload("a test") == nil {
		t.Fatal("reloaded")
	}
	if got := decoded[api.Config](t, f.until("config")); got.Error == "" {
		t.Errorf("got %+v", got)
	}
}

func TestStream_WrongQuestionsAreNamed(t *testing.T) {
	c := startStreamed(t)
	const topics = "; these are: requests, refusals, credentials, config, simulation"
	c.wantRefusal(http.MethodGet, "/v1/stream?topics=", "", 422, "topics", `topics: "" is no topic`+topics)
	c.wantRefusal(http.MethodGet, "/v1/stream?topics=requests,x", "", 422, "topics", `topics: "x" is no topic`+topics)
	c.wantRefusal(http.MethodGet, "/v1/stream?after=-1", "", 422, "after", `after: "-1" is not a number from 0 on`)
	c.wantRefusal(http.MethodGet, "/v1/stream?timeout=1s", "", 422, "timeout", `"timeout": unknown parameter; allowed: after, topics`)
	c.wantRefusal(http.MethodGet, "/v1/stream", "{}", 422, "", "a request that waits has no body; send none")
}

func TestStream_SeventeenthIsRefused(t *testing.T) {
	c := startStreamed(t)
	var feeds []*feed
	for range 16 {
		feeds = append(feeds, c.open(""))
	}
	_, resp := c.tryOpen("") //nolint:bodyclose // likewise
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), `"16 streams are open already; close one"`) {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	_ = feeds[3].conn.Close()
	testutil.Eventually(t, "there is room for one", func() bool {
		f, resp := c.tryOpen("") //nolint:bodyclose // likewise
		defer func() { _ = f.conn.Close() }()
		return resp.StatusCode == http.StatusOK
	})
}

func TestStream_EndsWithTheDaemon(t *testing.T) {
	c := startStreamed(t)
	f, idle := c.open(""), c.open("?topics=requests") // one is not read
	_ = idle
	f.until("simulation")
	before := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ok := true; ok; {
			_, ok = f.next()
		}
	}()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	<-ended
	if took := time.Since(before); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// A new daemon counts anew. Who comes with a number of the old one gets all that there is.
func TestStream_NewDaemonStartsAnew(t *testing.T) {
	c := startStreamed(t)
	f := c.open("?topics=requests")
	c.burst(10)
	f.until("requests")
	old, _ := strconv.Atoi(f.id)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	next := controlledBy(t, mockConfig)
	next.burst(2)
	f = next.open(fmt.Sprintf("?topics=requests&after=%d", old))
	if got := seqs(t, f.until("requests")); len(got) != 3 || got[0] != 1 { // startWith's, too
		t.Errorf("got %v", got)
	}
}
