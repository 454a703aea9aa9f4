package main

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
)

func TestPace(t *testing.T) {
	var set []int
	p := &pacer{set: func(percent int) { set = append(set, percent) }}
	for _, live := range []uint64{0, 1e6, paceLittle - 1, paceLittle, 10e6, 1e6, 1e6} {
		p.pace(live)
	}
	if want := []int{pacePercent, pacePercentElse, pacePercent}; !slices.Equal(set, want) {
		t.Errorf("GOGC was set to %v, want %v", set, want)
	}
}

// TestPaceHearsOfCollections has something to say again and again.
func TestPaceHearsOfCollections(t *testing.T) {
	heard := make(chan int)
	p := &pacer{}
	p.set = func(percent int) {
		p.percent = 0
		select {
		case heard <- percent:
		case <-t.Context().Done():
		}
	}
	go p.collected()
	for n := 0; n < 3; {
		runtime.GC()
		select {
		case <-heard:
			n++
		default: // not yet
		}
	}
}

// TestPaceOfUser leaves GOGC to whoever has set it.
func TestPaceOfUser(t *testing.T) {
	gogc := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := gogc()
	t.Setenv("GOGC", "30")
	paceCollector()
	if after := gogc(); after != before {
		t.Errorf("GOGC was %d and is %d", before, after)
	}
}
