package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes is a log that remembers each write, and can be slow.
type writes struct {
	delay time.Duration

	mu  sync.Mutex // guards all
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	time.Sleep(w.delay)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(b))
	return len(b), nil
}

func (w *writes) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

func TestLineWriter_WritesLinesTogetherAfter20ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &writes{}
		l := NewLineWriter(to)
		for i := range 1000 {
			fmt.Fprintln(l, i)
		}
		time.Sleep(flushAfter - time.Millisecond)
		if got := to.list(); len(got) != 0 {
			t.Errorf("%d writes before 20 ms", len(got))
		}
		time.Sleep(2 * time.Millisecond)
		if got := to.list(); len(got) != 1 || strings.Count(got[0], "\n") != 1000 {
			t.Errorf("%d writes after 20 ms", len(got))
		}
		time.Sleep(time.Second)
		if got := to.list(); len(got) != 1 {
			t.Errorf("%d writes of nothing", len(got)-1)
		}
	})
}

func TestLineWriter_WritesWholeLinesWhenTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &writes{}
		l := NewLineWriter(to)
		line := append(bytes.Repeat([]byte("x"), lineBuffer/2), '\n')
		for range 3 {
			_, _ = l.Write(line)
		}
		if got := to.list(); len(got) != 2 || got[0] != string(line) {
			t.Errorf("%d writes, want 2 of one line", len(got))
		}
		l.Close()
		if got := to.list(); len(got) != 3 {
			t.Errorf("%d writes after Close, want 3", len(got))
		}
	})
}

func TestLineWriter_ConcurrentWritersLoseNothing(t *testing.T) {
	const writers, lines = 16, 500
	long := strings.Repeat("x", 1000)
	to := &writes{delay: time.Millisecond}
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
	for line := range strings.Lines(strings.Join(to.list(), "")) {
		var w, i int
		if n, err := fmt.Sscanf(line, "%d %d "+long+"\n", &w, &i); n != 2 || err != nil || next[w] != i {
			t.Fatalf("%.20q: %v; want line %d of %d", line, err, next[w], w)
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("%d lines of writer %d, want %d", n, w, lines)
		}
	}
}

func TestLineWriter_CloseFlushes(t *testing.T) {
	to := &writes{}
	l := NewLineWriter(to)
	fmt.Fprintln(l, "last")
	l.Close()
	l.Close()
	if got := strings.Join(to.list(), ""); got != "last\n" {
		t.Errorf("written %q", got)
	}
}

func TestLineWriter_CloseGivesUpOnAReaderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, to := io.Pipe()
		l := NewLineWriter(to)
		fmt.Fprintln(l, "unread")
		began := time.Now()
		l.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("gave up after %v, want %v", took, closeTimeout)
		}
		got := make([]byte, 100)
		n, _ := reader.Read(got)
		if got := string(got[:n]); got != "unread\n" {
			t.Errorf("read in the end: %q", got)
		}
	})
}

// full is a log that cannot be written for a while, as on a full disk.
type full struct {
	writes
	fail bool
}

func (f *full) Write(b []byte) (int, error) {
	if f.fail {
		return 0, errors.New("no space left on device")
	}
	return f.writes.Write(b)
}

func TestLineWriter_WritesAgainAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &full{fail: true}
		l := NewLineWriter(to)
		fmt.Fprintln(l, "lost")
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		to.fail = false
		fmt.Fprintln(l, "kept")
		l.Close()
		if got := strings.Join(to.list(), ""); got != "kept\n" {
			t.Errorf("written %q", got)
		}
	})
}
