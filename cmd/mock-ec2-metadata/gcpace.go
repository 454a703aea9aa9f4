package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage there may be before it is collected, in percent of what is in use (GOGC). Go's heap is of 4 MB at least, times
// GOGC: with its own 100 and the 1 MB that is in use here with some connections, the collector runs 70 times a second under load.
const (
	pacePercent     = 150 // while little is in use
	pacePercentElse = 120 // with which hundreds of connections take 22 MB in all
	paceLittle      = 2e6 // bytes in use
)

// paceCollector sets GOGC by what is in use, until the process ends. GOGC in the environment takes its place.
func paceCollector() {
	if os.Getenv("GOGC") == "" {
		p := &pacer{set: func(percent int) { debug.SetGCPercent(percent) }}
		p.collected()
	}
}

// pacer hears of collections by an object that nobody uses.
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

// pace sets GOGC when it is to change, live is in bytes.
func (p *pacer) pace(live uint64) {
	percent := pacePercentElse
	if live < paceLittle {
		percent = pacePercent
	}
	if percent != p.percent {
		p.percent = percent
		p.set(percent)
	}
}
