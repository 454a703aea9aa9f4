package web

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pages is a log that remembers each write, and can be slow.
type pages struct {
	mu    sync.Mutex
	all   []string
	delay time.Duration
}

func (p *pages) Write(b []byte) (int, error) {
	time.Sleep(p.delay)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, string(b))
	return len(b), nil
}

func (p *pages) written() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// TestLineAtOnce has a line that comes alone, and lines that come together.
func TestLineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{}
		l := NewLineWriter(to)
		fmt.Fprintln(l, "alone")
		synctest.Wait() // no time passes
		if got := to.written(); len(got) != 1 || got[0] != "alone\n" {
			t.Errorf("written %q", got)
		}
		for i := range 1000 {
			fmt.Fprintln(l, i)
		}
		time.Sleep(2 * linePause)
		synctest.Wait()
		if got := to.written(); len(got) != 2 || strings.Count(got[1], "\n") != 1000 {
			t.Errorf("%d writes", len(got))
		}
		fmt.Fprintln(l, "last")
		l.Close()
		l.Close()
		fmt.Fprintln(l, "later")
		if got := to.written(); got[len(got)-2] != "last\n" || got[len(got)-1] != "later\n" {
			t.Errorf("at the end %q", got[2:])
		}
	})
}

// TestNoLineIsLost has many that log at once, faster than they are read, until Close.
func TestNoLineIsLost(t *testing.T) {
	const writers, lines = 16, 500
	long := strings.Repeat("x", 1000)
	to := &pages{delay: time.Millisecond}
	l := NewLineWriter(to)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range lines {
				fmt.Fprintf(l, "%d %d %s\n", w, i, long)
			}
		})
	}
	all.Wait()
	l.Close()
	var next [writers]int
	for line := range strings.Lines(strings.Join(to.written(), "")) {
		var w, i int
		if n, err := fmt.Sscanf(line, "%d %d "+long+"\n", &w, &i); n != 2 || err != nil || next[w] != i {
			t.Fatalf("%.20q: %v; want line %d of %d", line, err, next[w], w)
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("%d lines of %d", n, w)
		}
	}
}

// TestSlowReader makes those who log wait rather than hold all that they say.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{delay: closeTime * 3 / 4}
		l := NewLineWriter(to)
		line := bytes.Repeat([]byte("x"), mostPending)
		for range 2 {
			_, _ = l.Write(line) // the first is being written, the second waits
			synctest.Wait()
		}
		_, _ = l.Write([]byte("\n")) // there is room for the first byte over
		blocked := true
		go func() { _, _ = l.Write([]byte("more")); blocked = false }()
		synctest.Wait()
		if !blocked {
			t.Error("more than a mebibyte waits")
		}
		l.Close()
		synctest.Wait()
		if got := strings.Join(to.written(), ""); blocked || len(got) != 2*mostPending+5 {
			t.Errorf("%d bytes written, blocked: %v", len(got), blocked)
		}
	})
}

// TestBatch has more than a batch come within a pause.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{}
		l := NewLineWriter(to)
		line := bytes.Repeat([]byte("x"), batch/2)
		for _, want := range []int{1, 1, 2, 2, 3} { // the first alone, then each time that there are two
			_, _ = l.Write(line)
			synctest.Wait()
			if got := len(to.written()); got != want {
				t.Errorf("%d writes, want %d", got, want)
			}
		}
		l.Close()
	})
}

// TestReaderThatHangs neither keeps the daemon from ending nor those who have a last word.
func TestReaderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, to := io.Pipe()
		l := NewLineWriter(to)
		fmt.Fprintln(l, "nobody reads this")
		began := time.Now()
		l.Close()
		if took := time.Since(began); took != closeTime {
			t.Errorf("gave up after %v", took)
		}
		fmt.Fprintln(l, "nor this")
		got := make([]byte, 100)
		n, _ := reader.Read(got)
		n2, _ := reader.Read(got[n:])
		if got := string(got[:n+n2]); got != "nobody reads this\nnor this\n" {
			t.Errorf("read in the end: %q", got)
		}
	})
}
