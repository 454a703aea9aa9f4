package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage there may be before it is collected, in percent of what is in use (GOGC). Go's own 100 means every 3 MB here
// while little is in use, that is 70 times a second with some connections under load.
const (
	pacePercent        = 150 // while little is in use
	defaultPacePercent = 100 // Go's, else
	paceLittle         = 2e6 // bytes in use
)

// paceCollector sets GOGC by what is in use after each collection, until the process ends. GOGC in the environment takes its place.
func paceCollector() {
	if os.Getenv("GOGC") == "" {
		p := &pacer{set: func(percent int) { debug.SetGCPercent(percent) }}
		p.collected()
	}
}

// pacer hears of each collection by an object that nobody uses.
type pacer struct {
	percent int // in force
	set     func(percent int)
}

func (p *pacer) collected() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	p.pace(live[0].Value.Uint64())
	runtime.AddCleanup(new([64]byte), (*pacer).collected, p)
}

// pace says so only when something changes: to set GOGC stops the process for a moment.
func (p *pacer) pace(live uint64) {
	percent := defaultPacePercent
	if live < paceLittle {
		percent = pacePercent
	}
	if percent != p.percent {
		p.percent = percent
		p.set(percent)
	}
}
