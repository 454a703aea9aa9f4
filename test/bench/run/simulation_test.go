package main

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWatcher_RefusesOlderTrees(t *testing.T) {
	for _, tt := range []struct {
		name string
		saw  []int
		err  string
	}{
		{name: "each once", saw: []int{0, 1, 1, 0, 2, 2, 0, 3}},
		{name: "one missed", saw: []int{1, 3, 0}},
		{name: "an older one", saw: []int{1, 2, 1}, err: "wrong answer: the tree of event 1 after a newer one"},
		{name: "one that had ended", saw: []int{2, 0, 2}, err: "wrong answer: the tree of event 2 after a newer one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &watcher{}
			var err error
			for _, n := range tt.saw {
				err = errors.Join(err, w.follow(n))
			}
			if text(err) != tt.err {
				t.Errorf("%q, want %q", text(err), tt.err)
			}
		})
	}
}

func TestAwaitResets(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends []error
		err  string
	}{
		{name: "resets", ends: []error{syscall.ECONNRESET, syscall.ECONNRESET}},
		{name: "an end without a reset", ends: []error{syscall.ECONNRESET, io.EOF}, err: "wrong answer: a request that hangs ended with EOF"},
		{name: "an answer", ends: []error{nil}, err: "wrong answer: a request that hangs got an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ends := make(chan error, len(tt.ends))
			for _, end := range tt.ends {
				ends <- end
			}
			if err := awaitResets(t.Context(), ends, len(tt.ends)); text(err) != tt.err {
				t.Errorf("%q, want %q", text(err), tt.err)
			}
		})
	}
}

func TestCheckMadeUp_WantsCredentials(t *testing.T) {
	for _, tt := range []struct {
		body   string
		status int
		bad    bool
	}{
		{body: `{"Code": "Success", "AccessKeyId": "ASIA1"}`, status: 200},
		{body: `{"Code": "AssumeRoleUnauthorizedAccess"}`, status: 200, bad: true},
		{body: `{"Code": "Success", "AccessKeyId": "ASIA1"}`, status: 503, bad: true},
	} {
		if err := checkMadeUp(&client{body: []byte(tt.body)}, tt.status); (err != nil) != tt.bad || strings.Contains(text(err), "ASIA1") {
			t.Errorf("%d %s: %v", tt.status, tt.body, err)
		}
	}
}

func TestSimulationRows(t *testing.T) {
	fast, slow := []load{{5000, 2 * time.Millisecond, 20 * time.Microsecond}}, []load{{4000, 3 * time.Millisecond, 22 * time.Microsecond}}
	var b strings.Builder
	rows := swapRows("5 MB", 16, &swapTimes{[]float64{3}, []float64{4}}, &swapTimes{[]float64{10, 20, 60}, []float64{11, 21, 61}}, 1000, 9*time.Millisecond, 5*time.Millisecond)
	printTable(&b, append(rows, changesRow(1000, footprint{20, 15}, footprint{21.5, 16}, 24, 25, 9*time.Second),
		noneRow(16, fast, slow), hungRow(16, fast, slow)))
	const want = `| an event with 5 MB, 16 connections: from its PUT to the first answer with it, median of 3 | ≤ 50 ms | 21 ms | ok | 20 ms to the 201; without other requests 4 ms and 3 ms |
| the same, worst | ≤ 50 ms | 61 ms | short | 60 ms to the 201; without other requests 4 ms; none of 1,000 GETs failed or mixed two trees; the slowest took 9 ms, without events 5 ms |
| 1,000 changes of events and faults: resident memory more than after 100 | ≤ 2.0 MB | 1.5 MB | ok | 20.0 MB, then 21.5 MB; 15 and 16 files; 25 goroutines, after one change 24; 100 changes a second |
| credentials document with a token, 16 connections, no event, no fault: requests a second, new/old | ≥ 0.99 | 0.80 | short | 0.80–0.80; new 4,000, old 5,000; by processor time 0.91: 22.0 µs a request, old 20.0 µs; p99 3.0 ms and 2.0 ms |
| credentials document with a token, 16 connections, while 300 requests of another client hang: p99, of that without | ≤ 1.20 | 1.50 | short | 1.50–1.50; 3.00 ms, without 2.00 ms; requests a second 0.80 of those without (0.80–0.80), 4,000; processor time 22.0 µs a request, without 20.0 µs |
`
	if _, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|\n"); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
