package journal

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
)

// fill adds n entries whose paths are their numbers.
func fill(j *Journal, n int) {
	for range n {
		j.Add(Entry{Path: strconv.FormatInt(j.last+1, 10)})
	}
}

func TestAfter_ReturnsNewerEntriesInOrder(t *testing.T) {
	for _, tt := range []struct {
		name        string
		added       int
		after       int64
		first, last int64 // 0 for none
	}{
		{name: "empty"},
		{name: "all", added: 3, first: 1, last: 3},
		{name: "below the first", added: 3, after: -7, first: 1, last: 3},
		{name: "some", added: 3, after: 1, first: 2, last: 3},
		{name: "none newer", added: 3, after: 3},
		{name: "to come", added: 3, after: 1 << 62},
		{name: "full", added: Size, first: 1, last: Size},
		{name: "the oldest is gone", added: Size + 1, first: 2, last: Size + 1},
		{name: "many are gone", added: 5*Size + 17, after: 5, first: 4*Size + 18, last: 5*Size + 17},
		{name: "some of many", added: 5*Size + 17, after: 5*Size + 16, first: 5*Size + 17, last: 5*Size + 17},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := new(Journal)
			fill(j, tt.added)
			got := j.After(tt.after)
			if tt.first == 0 {
				if len(got) != 0 {
					t.Errorf("got %d entries, want none", len(got))
				}
				return
			}
			if want := tt.last - tt.first + 1; int64(len(got)) != want {
				t.Fatalf("got %d entries, want %d", len(got), want)
			}
			for i, e := range got {
				if e.Seq != tt.first+int64(i) || e.Path != strconv.FormatInt(e.Seq, 10) {
					t.Fatalf("entry %d has the number %d and the path %s, want %d", i, e.Seq, e.Path, tt.first+int64(i))
				}
			}
		})
	}
}

func TestAdd_AllocatesNothing(t *testing.T) {
	j := new(Journal)
	e := Entry{Path: "/latest/meta-data/mac"}
	if got := testing.AllocsPerRun(2*Size, func() { j.Add(e) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestAdd_NumbersHaveNoGapsWhenManyAdd(t *testing.T) {
	j := new(Journal)
	const writers, each = 8, Size / 8
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				j.Add(Entry{})
				j.After(j.After(0)[0].Seq)
			}
		})
	}
	all.Wait()
	got := j.After(0)
	if len(got) != writers*each {
		t.Fatalf("%d entries, want %d", len(got), writers*each)
	}
	for i, e := range got {
		if e.Seq != int64(i+1) {
			t.Fatalf("entry %d has the number %d", i, e.Seq)
		}
	}
}

func TestWait_EndsWithTheEntryForAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(Journal)
		fill(j, 1)
		if err := j.Wait(t.Context(), 0); err != nil {
			t.Errorf("an entry that is there: %v", err)
		}
		const waiters = 20
		var next, later sync.WaitGroup
		for range waiters {
			next.Go(func() {
				if err := j.Wait(t.Context(), 1); err != nil {
					t.Error(err)
				}
			})
			later.Go(func() {
				if err := j.Wait(t.Context(), 2); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		fill(j, 1)
		next.Wait() // would be a deadlock if one were left
		synctest.Wait()
		if j.added == nil {
			t.Error("nothing waits for a later entry")
		}
		fill(j, 1)
		later.Wait()
		if j.added != nil {
			t.Error("something seems to wait")
		}
	})
}

func TestWait_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(Journal)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- j.Wait(ctx, 0) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		fill(j, 1)
		if err := j.Wait(ctx, 0); err != nil {
			t.Errorf("an entry that is there: %v", err)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	j := new(Journal)
	e := Entry{Path: "/latest/meta-data/mac", Client: "127.0.0.1"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j.Add(e)
		}
	})
}
