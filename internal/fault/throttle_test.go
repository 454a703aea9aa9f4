package fault

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func throttle(t testing.TB, rate, burst int) *Rule {
	t.Helper()
	return compiled(t, "f", config.Fault{Throttle: &config.FaultThrottle{Rate: rate, Burst: burst}})
}

// passed is how many of n requests at a time are not throttled.
func passed(r *Rule, client string, n int, now time.Time) int {
	count := 0
	for range n {
		if !r.throttled(netip.MustParseAddr(client), now) {
			count++
		}
	}
	return count
}

// TestThrottled_EachClientAlone is statement 58 of the check-list.
func TestThrottled_EachClientAlone(t *testing.T) {
	r := throttle(t, 2, 5)
	for _, client := range []string{"127.0.0.1", "127.0.0.2", "2001:db8::1", "2001:db8::2", "fe80::1%eth0", "fe80::1%eth1"} {
		if got := passed(r, client, 20, noon); got != 5 {
			t.Errorf("%s: %d passed", client, got)
		}
	}
	if got := passed(r, "::ffff:127.0.0.1", 20, noon); got != 0 {
		t.Errorf("an IPv4-mapped address has a bucket of its own: %d passed", got)
	}
}

func TestThrottled_BucketFillsAtTheRate(t *testing.T) {
	r := throttle(t, 2, 5)
	passed(r, "127.0.0.1", 5, noon)
	for _, test := range []struct {
		at   time.Duration
		want int
	}{
		{499 * time.Millisecond, 0},
		{500 * time.Millisecond, 1},
		{1500 * time.Millisecond, 2},
		{time.Minute, 5}, // no more than the burst
	} {
		if got := passed(r, "127.0.0.1", 20, noon.Add(test.at)); got != test.want {
			t.Errorf("after %s: %d passed, want %d", test.at, got, test.want)
		}
	}
}

func TestThrottled_NotWithoutAThrottle(t *testing.T) {
	if got := passed(compiled(t, "f", config.Fault{}), "127.0.0.1", 100, noon); got != 100 {
		t.Errorf("%d passed", got)
	}
}

func TestThrottled_MemoryIsBounded(t *testing.T) {
	r := throttle(t, 1, 1)
	busy := netip.MustParseAddr("127.0.0.1")
	r.throttled(busy, noon)
	client := netip.MustParseAddr("10.0.0.0")
	for range 5 * maxBuckets {
		client = client.Next()
		if r.throttled(client, noon) {
			t.Fatalf("%s: its first request is throttled", client)
		}
		if n := len(r.buckets.young) + len(r.buckets.previous); n > maxBuckets {
			t.Fatalf("%d clients are remembered", n)
		}
		if !r.throttled(busy, noon) {
			t.Fatal("a client that asks all the time was forgotten")
		}
	}
}

func TestThrottled_ClientsOfHalfTheMemoryAreNotForgotten(t *testing.T) {
	r := throttle(t, 1, 1)
	for round := range 3 {
		client := netip.MustParseAddr("10.0.0.0")
		for range maxBuckets / 2 {
			client = client.Next()
			if got := r.throttled(client, noon); got != (round > 0) {
				t.Fatalf("round %d, %s: %t", round, client, got)
			}
		}
	}
}

func TestThrottled_ConcurrentRequestsShareTheBucket(t *testing.T) {
	r := throttle(t, 1, 40)
	var all sync.WaitGroup
	var sum atomic.Int64
	for range 8 {
		all.Go(func() { sum.Add(int64(passed(r, "127.0.0.1", 100, noon))) })
	}
	all.Wait()
	if sum.Load() != 40 {
		t.Errorf("%d passed", sum.Load())
	}
}
