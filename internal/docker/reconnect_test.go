package docker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// wantLines checks how often a message was logged.
func wantLines(b *bench, message string, n int) {
	b.Helper()
	if got := strings.Count(b.log.String(), message); got != n {
		b.Errorf("%q was logged %d times, want %d:\n%s", message, got, n, b.log)
	}
}

const refused = "/run/fake.sock: no engine listens there; start Docker, or Podman's podman.socket"

func TestEngine_NeverReachedFailsForEveryAddress(t *testing.T) {
	inBubble(t, func(e *fakeEngine) { e.down = true }, func(b *bench) {
		for _, address := range []string{"172.18.0.2", "192.168.1.7", "fe80::1"} {
			b.wantUnknown(address, "the container engine has not been reached: "+refused)
		}
		_, err := b.Locate(b.Context(), netip.MustParseAddr("192.168.1.7"))
		if !errors.Is(err, caller.ErrUnknown) {
			b.Errorf("the error is %v", err)
		}
		time.Sleep(time.Minute)
		wantLines(b, "cannot reach container engine", 1)
		if s := b.Status(); s.Connected || s.Error != refused || s.Containers != 0 {
			b.Errorf("status %+v", s)
		}
	})
}

func TestEngine_AwayKeepsKnownContainers(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		time.Sleep(time.Hour + time.Second) // between two pings
		lost := time.Now()
		b.engine.stop()
		synctest.Wait()
		time.Sleep(time.Second)
		b.want("172.18.0.2", isWeb("web"))
		b.want("192.168.1.7", "nothing")
		b.wantUnknown("172.18.0.9", "no container is known to have 172.18.0.9, and the container engine cannot be asked: "+refused)
		if s := b.Status(); s.Connected || !s.Since.Equal(lost) || s.Error != refused || s.Containers != 1 {
			b.Errorf("status %+v", s)
		}
		time.Sleep(time.Hour)
		wantLines(b, "cannot reach container engine", 2) // closed, then refused
	})
}

func TestEngine_ThatHangsCountsAsAway(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		time.Sleep(time.Minute)
		release := b.engine.hold("/_ping")
		time.Sleep(pingInterval + listTimeout)
		synctest.Wait()
		if s := b.Status(); s.Connected || s.Containers != 1 {
			b.Errorf("status %+v", s)
		}
		b.want("172.18.0.2", isWeb("web"))
		release()
		time.Sleep(2 * time.Second)
		if s := b.Status(); !s.Connected {
			b.Errorf("status %+v", s)
		}
	})
}

func TestEngine_IsFoundWithinTwoSecondsAndReadAnew(t *testing.T) {
	for _, away := range []time.Duration{time.Second, time.Minute, time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			inBubble(t, func(e *fakeEngine) {
				one(e)
				e.containers["b"] = web("172.18.0.3", "jobs", 1)
				e.containers["c"] = web("172.18.0.4", "same", 1)
			}, func(b *bench) {
				b.engine.stop()
				time.Sleep(away)
				b.engine.set(func() {
					b.engine.down = false
					delete(b.engine.containers, "a")
					b.engine.containers["d"] = web("172.18.0.3", "new", 2)
					delete(b.engine.containers, "b")
				})
				time.Sleep(2 * time.Second)
				b.wantKnown("172.18.0.2", "")
				b.wantKnown("172.18.0.3", "new")
				b.wantKnown("172.18.0.4", "same")
				wantLines(b, "container engine connected", 2)
				if s := b.Status(); !s.Connected || s.Error != "" || s.Containers != 2 {
					b.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestEngine_NewReadingIsSwappedInAsAWhole(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		one(e)
		e.containers["b"] = web("172.18.0.3", "jobs", 1)
	}, func(b *bench) {
		b.engine.stop()
		synctest.Wait()
		b.engine.set(func() {
			b.engine.down = false
			b.engine.containers["a"] = web("172.18.0.7", "web", 1)
			b.engine.containers["b"] = web("172.18.0.8", "jobs", 1)
		})
		release := b.engine.hold("/containers/b/json")
		time.Sleep(time.Second)
		b.engine.set(func() { b.engine.containers["c"] = web("172.18.0.9", "new", 2) })
		b.engine.emit(containerEvent("start", "c"))
		b.wantKnown("172.18.0.9", "new")
		b.wantKnown("172.18.0.2", "web")
		b.wantKnown("172.18.0.3", "jobs")
		if b.Status().Connected {
			b.Error("it counts as connected")
		}
		release()
		b.wantKnown("172.18.0.7", "web")
		b.wantKnown("172.18.0.8", "jobs")
		b.wantKnown("172.18.0.2", "")
		b.wantKnown("172.18.0.3", "")
	})
}

func TestEngine_RenameWhileAwayIsSeen(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.stop()
		b.engine.set(func() {
			b.engine.down = false
			c := b.engine.containers["a"]
			c.name = "shop"
			b.engine.containers["a"] = c
		})
		time.Sleep(2 * time.Second)
		b.want("172.18.0.2", `container shop, role "web" of "label `+roleLabel+`"`)
	})
}

func TestEngine_IsListedOnlyOnceItSendsEvents(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.stop()
		synctest.Wait()
		b.misses <- struct{}{} // left over from before
		b.engine.set(func() { b.engine.down = false })
		release := b.engine.hold("/events")
		before := b.engine.count("/containers/json")
		time.Sleep(3 * time.Second)
		if got := b.engine.count("/containers/json"); got != before || b.Status().Connected {
			b.Errorf("it was listed %d times, status %+v", got-before, b.Status())
		}
		release()
		synctest.Wait()
		if !b.Status().Connected {
			b.Errorf("status %+v", b.Status())
		}
	})
}

// Docker sends the header of the event stream before it subscribes.
func TestEngine_EventLostAtTheStartIsMadeUpFor(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.set(func() { delete(b.engine.containers, "a") })
		time.Sleep(time.Second)
		b.wantKnown("172.18.0.2", "")
		time.Sleep(time.Hour)
		if got := b.engine.count("/containers/json"); got != 2 {
			b.Errorf("%d lists", got)
		}
	})
}

func TestEngine_LostWhileReadAnewKeepsKnownContainers(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.stop()
		b.engine.set(func() { b.engine.down = false })
		b.engine.hold("/containers/a/json")
		time.Sleep(time.Second)
		b.engine.stop()
		time.Sleep(time.Minute)
		b.want("172.18.0.2", isWeb("web"))
	})
}

func TestEngine_SlowInspectKeepsAKnownContainer(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		one(e)
		e.containers["b"] = web("172.18.0.3", "jobs", 1)
	}, func(b *bench) {
		b.engine.stop()
		b.engine.set(func() { b.engine.down = false })
		release := b.engine.hold("/containers/a/json")
		b.engine.set(func() { b.engine.gates["/containers/b/json"] = b.engine.gates["/containers/a/json"] })
		b.engine.set(func() { b.engine.containers["b"] = web("172.18.0.4", "jobs", 1) })
		time.Sleep(5 * time.Second)
		if !b.Status().Connected {
			b.Fatalf("one slow container makes the engine away: %s", b.Status().Error)
		}
		b.wantKnown("172.18.0.2", "web")
		b.wantKnown("172.18.0.3", "") // the list says so
		release()
	})
}

func TestEngine_HangingListEndsTheConnection(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		time.Sleep(time.Second)
		release := b.engine.hold("/containers/json")
		b.wantUnknown("172.18.0.9", "no running container has 172.18.0.9")
		time.Sleep(6 * time.Second)
		const want = "/run/fake.sock: no answer in time; see whether the engine hangs"
		if s := b.Status(); s.Connected || s.Error != want {
			b.Errorf("status %+v", s)
		}
		b.want("172.18.0.2", isWeb("web"))
		release()
		time.Sleep(3 * time.Second)
		if s := b.Status(); !s.Connected {
			b.Errorf("status %+v", s)
		}
	})
}

func TestEngine_MissWhileAwayEndsWhenTheEngineIsBack(t *testing.T) {
	inBubble(t, func(e *fakeEngine) { e.down = true; one(e) }, func(b *bench) {
		b.engine.set(func() { b.engine.down = false })
		if got := b.locate("172.18.0.2"); got != isWeb("web") {
			b.Errorf("it is %s", got)
		}
	})
}

func TestEngine_RefusedRequestNamesTheProxy(t *testing.T) {
	inBubble(t, func(e *fakeEngine) { e.status["/networks"] = 403 }, func(b *bench) {
		const want = "/run/fake.sock: GET /v1.44/networks: 403 Forbidden, as the test wants; allow this request at the proxy that filters the API"
		if got := b.Status().Error; got != want {
			b.Errorf("the error is %s\nwant %s", got, want)
		}
		time.Sleep(time.Minute)
		wantLines(b, "cannot reach container engine", 1)
	})
}

func TestEngine_StreamThatAlwaysEndsIsNotReadInALoop(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		before := b.engine.count("/containers/json")
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			b.engine.emit("]")
		}
		if got := b.engine.count("/containers/json") - before; got > 80 {
			b.Errorf("%d lists in a minute", got)
		}
	})
}
