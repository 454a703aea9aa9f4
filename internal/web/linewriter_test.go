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

// pages is a log that keeps each write apart, and can be slow.
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

// noDrops fails the test when lines are dropped.
func noDrops(t *testing.T) func(int) {
	return func(lines int) { t.Errorf("%d lines were dropped", lines) }
}

func TestLineWriter_WritesAfterFlushDelay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines int
	}{
		{"one line", 1},
		{"many lines in one write", 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &pages{}
				l := NewLineWriter(to, noDrops(t))
				time.Sleep(time.Minute)
				for i := range tt.lines {
					fmt.Fprintln(l, i)
				}
				time.Sleep(flushDelay - time.Millisecond)
				synctest.Wait()
				if got := to.written(); len(got) != 0 {
					t.Errorf("written before %v: %q", flushDelay, got)
				}
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if got := to.written(); len(got) != 1 || strings.Count(got[0], "\n") != tt.lines {
					t.Errorf("written %q", got)
				}
			})
		})
	}
}

func TestLineWriter_WritesFullBatchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{}
		l := NewLineWriter(to, noDrops(t))
		line := bytes.Repeat([]byte("x"), batchSize/2)
		for _, want := range []int{0, 1, 1, 2, 2} { // each second line fills a batch
			_, _ = l.Write(line)
			synctest.Wait() // no time passes
			if got := len(to.written()); got != want {
				t.Errorf("%d writes, want %d", got, want)
			}
		}
		l.Close()
	})
}

func TestLineWriter_KeepsLinesWholeAndInOrder(t *testing.T) {
	const writers, lines = 16, 50 // less than maxBuffered in all
	long := strings.Repeat("x", 1000)
	to := &pages{delay: time.Millisecond}
	l := NewLineWriter(to, noDrops(t))
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

// TestLineWriter_HungReaderStopsNoRequest writes 4 MiB that nothing reads. What was held is read in the end; the rest is counted.
func TestLineWriter_HungReaderStopsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lines = 4096
		line := []byte(strings.Repeat("x", 1023) + "\n")
		reader, to := io.Pipe()
		dropped := 0
		l := NewLineWriter(to, func(n int) { dropped += n })
		for range lines {
			_, _ = l.Write(line) // would be a deadlock if it waited
			synctest.Wait()
		}
		l.mu.Lock()
		if held := len(l.buffer); held > maxBuffered || cap(l.buffer)+cap(l.spare) > 3*maxBuffered {
			t.Errorf("%d bytes wait, in buffers of %d and %d", held, cap(l.buffer), cap(l.spare))
		}
		l.mu.Unlock()
		read := make(chan int, 1)
		go func() {
			all, _ := io.ReadAll(reader)
			read <- bytes.Count(all, []byte("\n"))
		}()
		l.Close()
		_ = to.Close()
		if got := <-read; got < maxBuffered/len(line) || got+dropped != lines {
			t.Errorf("%d lines read and %d dropped, of %d", got, dropped, lines)
		}
	})
}

func TestClose_FlushesAndCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{}
		l := NewLineWriter(to, noDrops(t))
		fmt.Fprintln(l, "last")
		l.Close()
		l.Close()
		if got := to.written(); len(got) != 1 || got[0] != "last\n" {
			t.Errorf("written %q", got)
		}
		fmt.Fprintln(l, "later")
		l.Close()
		if got := to.written(); len(got) != 2 || got[1] != "later\n" {
			t.Errorf("written after Close %q", got)
		}
	})
}

func TestClose_GivesUpWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, to := io.Pipe()
		l := NewLineWriter(to, noDrops(t))
		fmt.Fprintln(l, "nothing reads this")
		began := time.Now()
		l.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("gave up after %v", took)
		}
		_ = reader.Close()
	})
}

func TestClose_WaitsForSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &pages{delay: closeTimeout * 3 / 4}
		l := NewLineWriter(to, noDrops(t))
		line := bytes.Repeat([]byte("x"), batchSize)
		for range 2 {
			_, _ = l.Write(line) // the first is being written when the second comes
			time.Sleep(2 * flushDelay)
		}
		began := time.Now()
		l.Close()
		if got := strings.Join(to.written(), ""); len(got) != 2*len(line) {
			t.Errorf("%d bytes written after %v, want %d", len(got), time.Since(began), 2*len(line))
		}
	})
}
