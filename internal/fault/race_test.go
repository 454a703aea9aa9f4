package fault

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func TestMatch_DosesAreExactForConcurrentRequests(t *testing.T) {
	const clients, requests = 8, 500
	percent, seed, count := 30, 7, 100
	for name, test := range map[string]struct {
		dose config.FaultDose
		want int
	}{
		"skip and every": {config.FaultDose{Skip: 100, Every: 3}, (clients*requests - 100) / 3},
		"count":          {config.FaultDose{Skip: 5, Every: 2, Count: &count}, count},
		"percent":        {config.FaultDose{Percent: &percent, Seed: &seed}, len(hits(t, config.FaultDose{Percent: &percent, Seed: &seed}, clients*requests))},
	} {
		t.Run(name, func(t *testing.T) {
			s := only(t, config.Fault{Dose: test.dose})
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					for range requests {
						if r := s.Match(get("meta-data/mac"), noon); r != nil {
							r.hit()
						}
					}
				})
			}
			all.Wait()
			if got := s.Find("f").Hits(); got != int64(test.want) {
				t.Errorf("%d hits, want %d", got, test.want)
			}
		})
	}
}

// TestMatch_WhileSetsChange is for the race detector: requests match while a writer swaps sets, as the daemon does.
func TestMatch_WhileSetsChange(t *testing.T) {
	var current atomic.Pointer[Set]
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for !stop.Load() {
				s := current.Load()
				if r := s.Match(get("meta-data/mac"), noon); r != nil {
					r.throttled(get("").Client, noon)
					r.hit()
				}
				for _, r := range s.Rules() {
					_, _, _, _ = r.Hits(), r.MatchText(), r.DoseText(), r.EffectText()
				}
				s.Next()
			}
		})
	}
	count := 10
	for i := range 500 {
		id := strconv.Itoa(i)
		dose := config.FaultDose{Count: &count, For: time.Hour}
		r := compiled(t, id, config.Fault{Dose: dose, Throttle: &config.FaultThrottle{Rate: 1, Burst: 1}})
		current.Store(current.Load().With(r, nil))
		if i%10 > 0 {
			old := current.Load().Find(strconv.Itoa(i - 1))
			current.Store(current.Load().Without(old.ID))
			old.End()
			if old.Hits() > int64(count) {
				t.Errorf("%s has %d hits", old.ID, old.Hits())
			}
		}
	}
	stop.Store(true)
	all.Wait()
	if n := len(current.Load().Rules()); n != 50 {
		t.Errorf("%d rules are left, want 50", n)
	}
}
