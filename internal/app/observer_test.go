package app

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
)

// tally is an Observer that counts requests, and all else together.
type tally struct{ requests, others atomic.Int64 }

func (t *tally) Request(web.Route, int, string) { t.requests.Add(1) }
func (t *tally) Token(imds.TokenEvent)          { t.others.Add(1) }
func (t *tally) Called(sts.Call)                { t.others.Add(1) }
func (t *tally) Renewed(Role, bool)             { t.others.Add(1) }
func (t *tally) Waited(time.Duration, bool)     { t.others.Add(1) }
func (t *tally) Reloaded(bool)                  { t.others.Add(1) }
func (t *tally) FaultHit(string)                { t.others.Add(1) }
func (t *tally) Located(time.Duration)          { t.others.Add(1) }
func (t *tally) Denied(string)                  { t.others.Add(1) }

// TestObserver_RequestAllocatesNoMore compares a daemon that is observed with one that is not. Package metrics tests that its Observer
// allocates nothing.
func TestObserver_RequestAllocatesNoMore(t *testing.T) {
	var told tally
	without := measuredCases(t)
	for i, m := range measuredCases(t, func(opt *Options) { opt.Observer = &told }) {
		observed, _ := m.answered(t, m.Case)
		silent, _ := without[i].answered(t, without[i].Case)
		before := told.requests.Load()
		ours := testing.AllocsPerRun(1000, func() { observed.do(m.http) })
		if n := told.requests.Load() - before; n != 1001 { // and one to warm up
			t.Errorf("%s: told of %d of 1001 requests", m.What, n)
		}
		theirs := testing.AllocsPerRun(1000, func() { silent.do(without[i].http) })
		t.Logf("%s: %v allocations, %v without an Observer", m.What, ours, theirs)
		if ours-theirs > raceAllocations {
			t.Errorf("%s: %v allocations, %v without an Observer", m.What, ours, theirs)
		}
	}
}

// TestObserver_WithoutOneNoHookIsSet checks what would be called while requests are answered.
func TestObserver_WithoutOneNoHookIsSet(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	u := newUnserved(t, options(load(t, "")))
	if u.waiting.OnHit != nil {
		t.Error("hits of faults are told")
	}
	if u.State().Keeper.Observer != nil {
		t.Error("calls and waits are told")
	}
	if _, same := u.answerHealth(http.NewServeMux()).(*http.ServeMux); !same {
		t.Error("health is answered")
	}
}

// BenchmarkObserver compares requests of a daemon that is observed with those of one that is not.
func BenchmarkObserver(b *testing.B) {
	for _, bb := range []struct {
		name   string
		change func(*Options)
	}{
		{"without", func(*Options) {}},
		{"observed", func(opt *Options) { opt.Observer = new(tally) }},
	} {
		m := measuredCases(b, bb.change)[0]
		e, _ := m.answered(b, m.Case)
		b.Run(m.Name+"/"+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.do(m.http)
			}
		})
	}
}
