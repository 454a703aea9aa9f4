package guard

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func logTo(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestRefusals_LogsEachSourceOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRefusals(logTo(&log), time.Now)
		lan, other := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("192.168.1.21")
		for range 1000 {
			r.add(lan, "clients", "client 192.168.1.20 is not allowed")
		}
		r.add(lan, "hosts", "another rule of the same source")
		r.add(other, "hosts", "another source")
		time.Sleep(time.Minute - time.Nanosecond)
		r.add(lan, "clients", "too soon")
		time.Sleep(time.Nanosecond)
		r.add(lan, "clients", "again")
		r.add(lan, "clients", "too soon again")

		want := `level=WARN msg=refused client=192.168.1.20 rule=clients reason="client 192.168.1.20 is not allowed"
level=WARN msg=refused client=192.168.1.21 rule=hosts reason="another source"
level=WARN msg=refused client=192.168.1.20 rule=clients reason=again
`
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int64{"clients": 1003, "hosts": 2}, r.counts()); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
}

func TestRefusals_LogAndMemoryAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRefusals(logTo(&log), time.Now)
		flood := func(network int) {
			for host := range 5000 {
				r.add(netip.AddrFrom4([4]byte{10, byte(network), byte(host >> 8), byte(host)}), "clients", "no")
			}
		}
		flood(1)
		if lines := strings.Count(log.String(), "\n"); lines != maxSources || len(r.logged) != maxSources {
			t.Errorf("%d lines and %d sources remembered, want %d", lines, len(r.logged), maxSources)
		}
		time.Sleep(logInterval)
		flood(2) // the sources of the first flood have expired
		if lines := strings.Count(log.String(), "\n"); lines != 2*maxSources || len(r.logged) != maxSources {
			t.Errorf("%d lines and %d sources remembered, want %d and %d", lines, len(r.logged), 2*maxSources, maxSources)
		}
		if got := r.counts()["clients"]; got != 10000 {
			t.Errorf("%d counted, want 10000", got)
		}
	})
}

func TestRefusals_IPv6NetworkIsOneSource(t *testing.T) {
	var log bytes.Buffer
	r := newRefusals(logTo(&log), time.Now)
	for i := range 500 {
		r.add(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i)), "clients", "no")
	}
	r.add(netip.MustParseAddr("2001:db8:1:3::1"), "clients", "no")
	want := `level=WARN msg=refused client=2001:db8:1:2:: rule=clients reason=no
level=WARN msg=refused client=2001:db8:1:3::1 rule=clients reason=no
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestRefusals_CountsAreCopies(t *testing.T) {
	r := newRefusals(slog.New(slog.DiscardHandler), time.Now)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				r.add(netip.MustParseAddr("192.0.2.1"), "clients", "no")
				r.counts()["clients"] = 0
			}
		})
	}
	all.Wait()
	if got := r.counts()["clients"]; got != 4000 {
		t.Errorf("%d counted, want 4000", got)
	}
}
