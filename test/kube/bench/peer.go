//go:build linux

package main

// The limits, all but the last three of the ratio of ours to kube2iam's (kubernetes.md section 8). MB are 10^6 bytes.
const (
	wantedIdle     = 0.8
	wantedThousand = 0.5
	wantedMany     = 0.25
	wantedRate     = 1.5
	wantedCPU      = 0.7
	wantedP50      = 0.05
	wantedMax      = 0.25
	wantedChoice   = 0.97 // of the plain daemon's requests a second
	wantedLookup   = 100  // ns, among 10,000
	wantedScan     = 10   // ms
	wantedSize     = 24   // MB
)

// documented are kube2iam's figures of an earlier run on another machine (kubernetes.md sections 3.6 and 3.7), for runs without it.
var documented = struct {
	idle, thousand, many float64 // MB resident with 0, 1,000 and 11,000 pods
	rate, cpu            float64 // GETs a second, and µs of each
	p50, most            float64 // ms of the first requests of 100 pods; the better of two bursts
	size                 float64 // MB of the binary
}{29, 63, 336, 14_000, 56, 1720, 3200, 30.7}
