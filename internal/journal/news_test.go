package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func TestSince_FollowsWithoutGapOrDouble(t *testing.T) {
	var j Journal
	random := rand.New(rand.NewPCG(1, 2))
	at, requests, refusals, dropped, all := int64(0), int64(0), int64(0), int64(0), int64(0)
	for range 400 {
		for range random.IntN(40) {
			j.Add(Entry{})
			all++
		}
		for range random.IntN(5) {
			j.AddRefusal(Refusal{})
			all++
		}
		if random.IntN(100) == 0 {
			for range 3000 {
				j.Add(Entry{})
				all++
			}
		}
		n := j.Since(at, true, true)
		for _, e := range n.Requests {
			if e.Seq <= requests {
				t.Fatalf("request %d after %d", e.Seq, requests)
			}
			requests = e.Seq
		}
		for _, f := range n.Refusals {
			if f.Seq <= refusals {
				t.Fatalf("refusal %d after %d", f.Seq, refusals)
			}
			refusals = f.Seq
		}
		if came := n.Now - at; came != int64(len(n.Requests)+len(n.Refusals))+n.Dropped {
			t.Fatalf("of %d there are %d and %d, and %d are missing", came, len(n.Requests), len(n.Refusals), n.Dropped)
		}
		dropped += n.Dropped
		at = n.Now
	}
	if at != all || j.Position() != all || dropped == 0 {
		t.Errorf("at %d of %d, %d are missing", at, all, dropped)
	}
	if got, v2 := j.Count(); got != requests || v2 != 0 {
		t.Errorf("%d requests, %d of v2", got, v2)
	}
}

// Many positions are asked for with each choice of kinds; what is missing is counted by going through the whole history.
func TestSince_CountsWhatIsMissingOfWhatIsAskedFor(t *testing.T) {
	var j Journal
	kinds := []bool{false} // true is a refusal; positions start at 1
	add := func(refusal bool, n int) {
		for range n {
			if kinds = append(kinds, refusal); refusal {
				j.AddRefusal(Refusal{})
			} else {
				j.Add(Entry{})
			}
		}
	}
	add(false, 3)
	add(true, 250)
	add(false, 700)
	add(true, 30)
	add(false, 900)
	for at := int64(0); at < int64(len(kinds)); at += 23 {
		for _, ask := range []struct{ requests, refusals bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
			n := j.Since(at, ask.requests, ask.refusals)
			came, got := 0, len(n.Requests)+len(n.Refusals)
			for _, refusal := range kinds[at+1:] {
				if refusal && ask.refusals || !refusal && ask.requests {
					came++
				}
			}
			missing := int64(came - got)
			if both := j.Since(at, true, true).Dropped; n.Dropped > both {
				t.Fatalf("after %d, %+v: said %d, but %d of both kinds are missing", at, ask, n.Dropped, both)
			}
			exact := ask.requests == ask.refusals
			if exact && n.Dropped != missing || n.Dropped < missing || missing == 0 && exact && n.Dropped != 0 {
				t.Fatalf("after %d, %+v: %d are missing, said %d", at, ask, missing, n.Dropped)
			}
		}
	}
}

func TestSince_PositionOfAnotherDaemonIsTheBeginning(t *testing.T) {
	var j Journal
	j.Add(Entry{IMDS: "v2"})
	j.AddRefusal(Refusal{Rule: "hosts"})
	for _, at := range []int64{-1, 3, 1 << 62} {
		if n := j.Since(at, true, true); len(n.Requests) != 1 || len(n.Refusals) != 1 || n.Dropped != 0 || n.Now != 2 {
			t.Errorf("after %d: %+v", at, n)
		}
	}
	if n := j.Since(2, true, true); len(n.Requests)+len(n.Refusals) != 0 || n.Now != 2 {
		t.Errorf("at the end: %+v", n)
	}
	if n := j.Since(1, true, false); len(n.Requests)+len(n.Refusals) != 0 || n.Now != 2 || n.Dropped != 0 {
		t.Errorf("no requests: %+v", n)
	}
	if all, v2 := j.Count(); all != 1 || v2 != 1 {
		t.Errorf("%d, %d", all, v2)
	}
}

func TestAddRefusal_AllocatesNothing(t *testing.T) {
	var j Journal
	j.AddRefusal(Refusal{}) // makes the ring
	if n := testing.AllocsPerRun(2*Size, func() { j.Add(Entry{Path: "/latest"}) }); n != 0 {
		t.Errorf("a request: %v allocations", n)
	}
	if n := testing.AllocsPerRun(2*RefusalSize, func() { j.AddRefusal(Refusal{Rule: "hosts"}) }); n != 0 {
		t.Errorf("a refusal: %v allocations", n)
	}
}

func TestWaitRefusal_ReturnsWithOneOrWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j Journal
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		var ended [4]error
		for i := range ended {
			waiting.Go(func() { ended[i] = j.WaitRefusal(ctx, int64(i)) })
		}
		synctest.Wait()
		j.Add(Entry{}) // is none
		synctest.Wait()
		for i := range 3 {
			j.AddRefusal(Refusal{})
			synctest.Wait()
			if got := j.Refusals(int64(i)); len(got) != 1 || got[0].Seq != int64(i)+1 {
				t.Errorf("got %+v", got)
			}
		}
		cancel()
		waiting.Wait()
		if got := fmt.Sprint(ended[0], ended[1], ended[2]); got != "<nil> <nil> <nil>" || !errors.Is(ended[3], context.Canceled) {
			t.Errorf("ended with %v", ended)
		}
		if err := j.WaitRefusal(ctx, 0); err != nil {
			t.Errorf("one that is there: %v", err)
		}
	})
}
