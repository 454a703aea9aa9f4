package fault

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"time"

	"mock-ec2-metadata/internal/config"
)

// dose says which of the matching requests a rule takes. It never changes.
type dose struct {
	percent     uint64 // of requests, 100 for all
	skip, every int64
	count       int64 // of hits at most
	seed        uint64
}

func newDose(spec config.FaultDose) dose {
	d := dose{percent: 100, skip: int64(spec.Skip), every: max(1, int64(spec.Every)), count: math.MaxInt64}
	if spec.Percent != nil {
		d.percent = uint64(min(max(*spec.Percent, 0), 100))
	}
	if spec.Count != nil {
		d.count = int64(*spec.Count)
	}
	if spec.Seed != nil {
		d.seed = uint64(*spec.Seed) //nolint:gosec // any bits make a seed
	} else {
		d.seed = rand.Uint64() //nolint:gosec // no secret
	}
	return d
}

// includes reports whether the dose includes the n-th matching request; the first is 1. Percents are of what skip and every leave.
// It depends on nothing else, so that a seed gives the same hits again.
func (d *dose) includes(n int64) bool {
	n -= d.skip
	if n <= 0 || n%d.every != 0 {
		return false
	}
	share, _ := bits.Mul64(hash(d.seed, uint64(n)), 100) // uniform from 0 to 99
	return share < d.percent
}

// hash mixes a seed and a number: the number-th output of SplitMix64, whose state begins at the mixed seed.
func hash(seed, number uint64) uint64 {
	return mix(mix(seed) + number*0x9e3779b97f4a7c15)
}

// mix is the finaliser of SplitMix64: each bit of x changes about half of the bits of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// expiry is when a dose ends, the earlier of for and until; zero for never. The error is a *config.FieldError.
func expiry(spec config.FaultDose, now time.Time) (time.Time, error) {
	var expires time.Time
	if spec.For > 0 {
		expires = now.Add(spec.For)
	}
	if spec.Until == "" {
		return expires, nil
	}
	until, err := time.Parse(time.RFC3339, spec.Until)
	if err != nil {
		return time.Time{}, fieldError("dose.until", fmt.Sprintf("%q is not a time; write e.g. 2026-12-01T02:00:00Z", spec.Until))
	}
	if !until.After(now) {
		return time.Time{}, fieldError("dose.until", fmt.Sprintf("%s is in the past; set a later time, or for", spec.Until))
	}
	if expires.IsZero() || until.Before(expires) {
		expires = until.UTC()
	}
	return expires, nil
}
