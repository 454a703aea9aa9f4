package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
)

func one(e *fakeEngine) { e.containers["a"] = web("172.18.0.2", "web", 1) }

func TestLocate_FindsEachAddressOfAContainer(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		c := web("172.18.0.2", "web", 1)
		c.networks = map[string]fakeEndpoint{
			"n1": {ip: "172.18.0.2", ip6: "fd00:1::2", mac: "02:42:ac:12:00:02"},
			"n2": {ip: "172.19.0.5", ip6: "fd00:2::5", mac: "02:42:ac:13:00:05"},
		}
		e.containers["a"] = c
	}, func(b *bench) {
		for _, address := range []string{
			"172.18.0.2", "fd00:1::2", "172.19.0.5", "fd00:2::5",
			"fe80::42:acff:fe12:2", "fe80::42:acff:fe13:5%br-1",
		} {
			b.want(address, isWeb("web"))
		}
	})
}

func TestLocate_AddressOutsideOfAllNetworksIsNothing(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		for _, address := range []string{"192.168.1.7", "2001:db8::1", "172.18.0.1", "fd00:1::1"} { // the last two are gateways
			b.want(address, "nothing")
		}
		if got := b.engine.count("/containers/json"); got != 1 {
			b.Errorf("%d lists", got)
		}
	})
}

func TestLocate_PausedContainerIsKnownAndOthersAreNot(t *testing.T) {
	for _, tt := range []struct{ state, want string }{
		{"", isWeb("web")},
		{"paused", isWeb("web")},
		{"restarting", "error: no running container has 172.18.0.2"},
		{"exited", "error: no running container has 172.18.0.2"},
	} {
		t.Run("state "+tt.state, func(t *testing.T) {
			inBubble(t, func(e *fakeEngine) {
				c := web("172.18.0.2", "web", 1)
				c.state = tt.state
				e.containers["a"] = c
			}, func(b *bench) {
				b.engine.emit(containerEvent("start", "a"))
				synctest.Wait()
				if got := b.locate("172.18.0.2"); got != tt.want {
					b.Errorf("it is %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestLocate_HostAndSharedNetworksHaveNoAddressOfTheirOwn(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		one(e)
		e.containers["host"] = fakeContainer{name: "host", mode: "host"}
		sharer := web("172.18.0.2", "admin", 9) // Podman says so
		sharer.name, sharer.mode = "sharer", "container:a"
		e.containers["sharer"] = sharer
	}, func(b *bench) {
		b.want("172.18.0.2", isWeb("web"))
		if got := b.Status().Containers; got != 3 {
			b.Errorf("%d containers", got)
		}
		b.wantUnknown("172.18.0.9", "no running container has 172.18.0.9")
		if got := b.engine.count("/containers/sharer/json"); got != 1 {
			b.Errorf("%d inspects of the one that shares", got)
		}
	})
}

func TestLocate_LaterStartedContainerHasAnAddressOfTwo(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		e.containers["a"] = web("172.18.0.2", "new", 5)
		e.containers["b"] = web("172.18.0.2", "old", 4)
	}, func(b *bench) {
		b.want("172.18.0.2", isWeb("new"))
		b.engine.set(func() { delete(b.engine.containers, "a") })
		b.engine.emit(containerEvent("die", "a"))
		synctest.Wait()
		if w := b.view.Load().find(netip.MustParseAddr("172.18.0.2")); w != nil {
			b.Errorf("the earlier one has the address again: %v", w)
		}
	})
}

func TestLocate_MACOfTwoContainersLeadsToNeither(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		e.containers["a"] = web("172.18.0.2", "web", 5)
		e.containers["b"] = web("172.18.0.3", "jobs", 4)
	}, func(b *bench) {
		b.wantUnknown("fe80::42:acff:fe12:2", "no running container has fe80::42:acff:fe12:2")
	})
}

func TestLocate_LinkLocalWithoutMACFailsAtOnce(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		const text = "error: container engines do not list link-local addresses such as fe80::1; use an address of the container's network"
		b.want("fe80::1%docker0", text)
	})
}

func TestLocate_MissWaitsForTheStartOfTheContainer(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		time.AfterFunc(850*time.Millisecond, func() {
			b.engine.set(func() { one(b.engine) })
			b.engine.emit(containerEvent("start", "a"))
		})
		start := time.Now()
		if got := b.locate("172.18.0.2"); got != isWeb("web") {
			b.Errorf("it is %s", got)
		}
		if took := time.Since(start); took != 850*time.Millisecond {
			b.Errorf("it took %v", took)
		}
	})
}

func TestLocate_MissAsksTheEngineWhoseEventIsLate(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		time.Sleep(time.Second)
		b.engine.set(func() { one(b.engine) })
		b.want("172.18.0.2", isWeb("web"))
	})
}

func TestLocate_MissThatStaysOneFailsWithAReason(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.wantUnknown("172.18.0.9", "no running container has 172.18.0.9")
		_, err := b.Locate(b.Context(), netip.MustParseAddr("fd00:1::9"))
		if !errors.Is(err, caller.ErrUnknown) {
			b.Errorf("the error is %v", err)
		}
	})
}

func TestLocate_ContextEndsTheWait(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Millisecond)
		defer cancel()
		if w, err := b.Locate(ctx, netip.MustParseAddr("172.18.0.9")); w != nil || !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("it is %v, %v", w, err)
		}
	})
}

func TestLocate_ConcurrentMissesShareFewLists(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		before, inspects := b.engine.count("/containers/json"), b.engine.count("/containers/a/json")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 9 * time.Millisecond)
				_ = b.locate(fmt.Sprintf("172.18.1.%d", i))
			})
		}
		wg.Wait()
		if got := b.engine.count("/containers/json") - before; got < 4 || got > 6 {
			b.Errorf("%d lists in 0.9 s of misses, want at most 5 a second", got)
		}
		if got := b.engine.count("/containers/a/json") - inspects; got != 0 {
			b.Errorf("the known container was inspected %d times more", got)
		}
	})
}

func TestLocate_UnchangedWorkloadKeepsItsPointer(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		find := func() *caller.Workload { return b.view.Load().find(netip.MustParseAddr("172.18.0.2")) }
		first := find()
		b.engine.emit(networkEvent("connect", "n2", "a"), containerEvent("rename", "a"))
		synctest.Wait()
		if find() != first {
			b.Error("events that changed nothing changed the pointer")
		}
		b.engine.stop()
		b.engine.set(func() { b.engine.down = false })
		time.Sleep(2 * time.Second)
		if find() != first || !b.Status().Connected {
			b.Error("a new connection changed the pointer")
		}
	})
}

func BenchmarkLocate_Hit(b *testing.B) {
	w := newWorld()
	for i := range 200 {
		c := &container{id: fmt.Sprint(i), workload: &caller.Workload{Name: "c"}}
		c.endpoints = []endpoint{{addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, 18, 0, byte(i)})}}}
		w.set(c.id, c, 0)
	}
	l, err := New(Options{Engine: "unix:///run/fake.sock", Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	l.view.Store(w.view())
	a := netip.MustParseAddr("172.18.0.77")
	b.ReportAllocs()
	for b.Loop() {
		if w, err := l.Locate(b.Context(), a); w == nil || err != nil {
			b.Fatal(w, err)
		}
	}
}
