package ecs

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that only tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

// from is a request of a client.
func from(client, target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = client
	return r
}

// allowed counts how many of n requests are allowed.
func allowed(l *Limiter, n int, client, target string) (count int) {
	for range n {
		if l.allow(from(client, target)) {
			count++
		}
	}
	return count
}

func TestHandler_Answers429WithTheTextOfTheAgent(t *testing.T) {
	c := newClock()
	h := NewHandler(slog.New(slog.DiscardHandler), always{&Service{Limiter: NewLimiter(40, 60, c.now), Finder: only(valid())}})
	ask := func(client, target string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h(rec, from(client, target))
		return rec
	}
	target := "/v2/credentials/" + id
	for i := range 60 {
		if rec := ask("10.0.0.1:1", target); rec.Code != http.StatusOK {
			t.Fatalf("request %d: status %d", i+1, rec.Code)
		}
	}
	rec := ask("10.0.0.1:2", "//v2//credentials/"+id+"?x")
	const text = "You have reached maximum request limit."
	if rec.Code != http.StatusTooManyRequests || rec.Body.String() != text {
		t.Errorf("request 61: status %d, %q", rec.Code, rec.Body)
	}
	if diff := cmp.Diff(http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"39"}}, rec.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if rec := ask("10.0.0.2:1", target); rec.Code != http.StatusOK {
		t.Errorf("another address: status %d", rec.Code)
	}
	if rec := ask("10.0.0.1:1", "/v2/credentials/other"); rec.Code != http.StatusBadRequest {
		t.Errorf("another path: status %d", rec.Code)
	}
	c.at = c.at.Add(25 * time.Millisecond)
	if rec := ask("10.0.0.1:1", target); rec.Code != http.StatusOK {
		t.Errorf("after 1/40 s: status %d", rec.Code)
	}
	if rec := ask("10.0.0.1:1", target); rec.Code != http.StatusTooManyRequests {
		t.Errorf("at once after that: status %d", rec.Code)
	}
}

func TestLimiter_NilAllowsAll(t *testing.T) {
	if got := allowed(nil, 1000, "10.0.0.1:1", "/creds"); got != 1000 {
		t.Errorf("%d of 1000", got)
	}
}

func TestLimiter_SharesOneBucketBeyondTheBoundOfPaths(t *testing.T) {
	l := NewLimiter(1, 10, newClock().now)
	total := 0
	for i := range 1000 {
		total += allowed(l, 20, "10.0.0.1:1", fmt.Sprintf("/v4/%d", i))
	}
	if want := (maxPaths + 1) * 10; total != want {
		t.Errorf("%d requests of one client, want %d", total, want)
	}
	if got := allowed(l, 20, "10.0.0.2:1", "/v4/1"); got != 10 {
		t.Errorf("another client: %d requests, want 10", got)
	}
	if got := len(l.clients[netip.MustParseAddr("10.0.0.1")].Value.(*clientBuckets).paths); got > maxPaths {
		t.Errorf("%d paths are remembered", got)
	}
}

func TestLimiter_ForgetsPathsThatAreFullAgain(t *testing.T) {
	c := newClock()
	l := NewLimiter(1, 10, c.now)
	for i := range maxPaths {
		allowed(l, 10, "10.0.0.1:1", fmt.Sprintf("/v4/%d", i))
	}
	c.at = c.at.Add(9 * time.Second)
	allowed(l, 9, "10.0.0.1:1", "/v4/0") // not full again for nine seconds
	c.at = c.at.Add(time.Second)
	for i := range maxPaths - 1 {
		if got := allowed(l, 20, "10.0.0.1:1", fmt.Sprintf("/v4/new-%d", i)); got != 10 {
			t.Errorf("new path %d: %d requests, want 10", i, got)
		}
	}
	if got := allowed(l, 20, "10.0.0.1:1", "/v4/0"); got != 1 {
		t.Errorf("the busy path: %d requests, want 1: its bucket must not be made anew", got)
	}
}

func TestLimiter_ForgetsTheClientThatAskedTheLongestAgo(t *testing.T) {
	l := NewLimiter(1, 10, newClock().now)
	client := func(i int) string { return fmt.Sprintf("10.0.%d.%d:1", i/256, i%256) }
	for i := range 10_000 {
		if got := allowed(l, 11, client(i), "/creds"); got != 10 {
			t.Fatalf("client %d: %d requests, want 10", i, got)
		}
		if got := allowed(l, 1, client(0), "/creds"); got != 0 {
			t.Fatalf("client 0 is forgotten after %d others, though it asks all the time", i)
		}
	}
	if len(l.clients) > maxClients || l.recent.Len() != len(l.clients) {
		t.Errorf("%d clients, %d in the list", len(l.clients), l.recent.Len())
	}
}

func TestLimiter_ForgetsIdleClients(t *testing.T) {
	c := newClock()
	l := NewLimiter(1, 10, c.now)
	for i := range 100 {
		allowed(l, 10, fmt.Sprintf("10.0.0.%d:1", i), "/creds")
	}
	c.at = c.at.Add(10*time.Second - 1)
	allowed(l, 1, "10.0.0.0:1", "/creds")
	allowed(l, 1, "10.0.1.1:1", "/creds")
	if len(l.clients) != 101 {
		t.Errorf("%d clients, want 101", len(l.clients))
	}
	c.at = c.at.Add(1)
	allowed(l, 1, "10.0.1.2:1", "/creds")
	if len(l.clients) != 3 {
		t.Errorf("%d clients after their buckets were full, want 3", len(l.clients))
	}
	c.at = c.at.Add(10*time.Second - 2)
	allowed(l, 1, "10.0.1.3:1", "/creds")
	if len(l.clients) != 4 {
		t.Errorf("%d clients before their buckets were full, want 4", len(l.clients))
	}
}

func TestLimiter_IsSafeForConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(40, 60, time.Now)
		counts := make(chan int)
		for range 8 {
			go func() { counts <- allowed(l, 100, "10.0.0.1:1", "/creds") }()
		}
		total := 0
		for range 8 {
			total += <-counts
		}
		if total != 60 {
			t.Errorf("%d requests, want 60", total)
		}
	})
}
