package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// piped makes a client whose requests are answered by a function, without a network.
func piped(t *testing.T, answer func() string) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	go func() {
		r := bufio.NewReader(theirs)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			body := answer()
			_, _ = fmt.Fprintf(theirs, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}()
	return &client{conn: ours, reader: bufio.NewReader(ours), request: []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}
}

func anything(*client, int) error { return nil }

func TestHammer_PausesKeepTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		slow := func() string {
			if n++; n == 3 {
				time.Sleep(35 * time.Millisecond) // the next ones make up for it
			}
			return "same"
		}
		h := hammered{check: anything, pause: 10 * time.Millisecond, clients: []*client{piped(t, slow), piped(t, func() string { return "same" })}}
		var all tally
		if err := h.hammer(t.Context(), time.Second, &all); err != nil {
			t.Fatal(err)
		}
		if got := len(all.latencies); got != 200 || all.took != time.Second {
			t.Errorf("%d answers in %v", got, all.took)
		}
	})
}

func TestHammer_WantsTheSameAnswerUnlessItVaries(t *testing.T) {
	for _, varies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			c := piped(t, func() string { n++; time.Sleep(time.Millisecond); return strings.Repeat("x", n) })
			c.varies = varies
			h := hammered{check: anything, clients: []*client{c}}
			if err := h.hammer(t.Context(), 10*time.Millisecond, new(tally)); (err == nil) != varies {
				t.Errorf("varies %v: %v", varies, err)
			}
		})
	}
}

func TestHammer_RunsSomethingBesideUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var took time.Duration
		h := hammered{
			check: anything, clients: []*client{piped(t, func() string { time.Sleep(time.Millisecond); return "same" })},
			beside: func(ctx context.Context) error {
				began := time.Now()
				<-ctx.Done()
				took = time.Since(began)
				return broken
			},
		}
		if err := h.hammer(t.Context(), 50*time.Millisecond, new(tally)); !errors.Is(err, broken) || took != 50*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
	})
}
