package docker

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// known is the role that the container at an address is known to have now; "" if none is known.
func (b *bench) known(address string) string {
	if w := b.view.Load().find(netip.MustParseAddr(address)); w != nil {
		return w.Role
	}
	return ""
}

// wantKnown lets the Locator finish what it does, and checks the role at an address.
func (b *bench) wantKnown(address, role string) {
	b.Helper()
	synctest.Wait()
	if got := b.known(address); got != role {
		b.Errorf("%s has role %q, want %q", address, got, role)
	}
}

func TestEvents_AddressGoesToTheNextContainerInOneBurst(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.set(func() {
			delete(b.engine.containers, "a")
			b.engine.containers["b"] = web("172.18.0.2", "jobs", 2)
		})
		b.engine.emit(containerEvent("die", "a"), containerEvent("destroy", "a"), containerEvent("start", "b"))
		b.wantKnown("172.18.0.2", "jobs")
	})
}

// An engine handles two containers concurrently, so it may tell of the start first.
func TestEvents_NextContainerMayStartBeforeTheEndIsTold(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.set(func() {
			delete(b.engine.containers, "a")
			b.engine.containers["b"] = web("172.18.0.2", "jobs", 2)
		})
		b.engine.emit(containerEvent("start", "b"))
		b.wantKnown("172.18.0.2", "jobs")
		b.engine.emit(containerEvent("die", "a"))
		b.wantKnown("172.18.0.2", "jobs")
	})
}

func TestEvents_EndTakesAddressesAtOnce(t *testing.T) {
	for _, action := range []string{"die", "died", "destroy", "remove"} {
		t.Run(action, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.engine.emit(containerEvent(action, "a")) // inspect would still show it running
				b.wantKnown("172.18.0.2", "")
				if got := b.engine.count("/containers/a/json"); got != 1 {
					b.Errorf("%d inspects", got)
				}
			})
		})
	}
}

func TestEvents_InspectInFlightDoesNotResurrect(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.engine.set(func() { one(b.engine) })
		release := b.engine.hold("/containers/a/json")
		b.engine.emit(containerEvent("start", "a"))
		synctest.Wait()
		b.engine.set(func() { delete(b.engine.containers, "a") })
		b.engine.emit(containerEvent("die", "a"))
		synctest.Wait()
		release()
		b.wantKnown("172.18.0.2", "")
		if got := b.Status().Containers; got != 0 {
			b.Errorf("%d containers", got)
		}
	})
}

func TestEvents_ListInFlightDoesNotResurrect(t *testing.T) {
	for _, event := range []string{containerEvent("die", "a"), networkEvent("disconnect", "n1", "a")} {
		t.Run(event, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				time.Sleep(time.Second)
				release := b.engine.hold("/containers/json")
				go func() { _ = b.locate("172.18.0.9") }() // asks for a list
				synctest.Wait()
				b.engine.set(func() { delete(b.engine.containers, "a") })
				b.engine.emit(event)
				b.wantKnown("172.18.0.2", "")
				release()
				b.wantKnown("172.18.0.2", "")
				if got := len(b.Status().Error); got != 0 {
					b.Error(b.Status().Error)
				}
				time.Sleep(time.Second)
			})
		})
	}
}

func TestEvents_RestartDuringAnInspectInspectsAgain(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.engine.set(func() { one(b.engine) })
		release := b.engine.hold("/containers/a/json")
		b.engine.emit(containerEvent("start", "a"))
		synctest.Wait()
		b.engine.set(func() { b.engine.containers["a"] = web("172.18.0.3", "web", 2) })
		b.engine.emit(containerEvent("die", "a"), containerEvent("start", "a"))
		synctest.Wait()
		release()
		b.wantKnown("172.18.0.3", "web")
		b.wantKnown("172.18.0.2", "")
	})
}

func TestEvents_NetworksOfARunningContainerComeAndGo(t *testing.T) {
	for _, tt := range []struct {
		name, connect, disconnect string
		networks                  bool // are read, since the engine tells of no new ones
	}{
		{name: "Docker", connect: networkEvent("connect", "n2", "a"), disconnect: networkEvent("disconnect", "n2", "a")},
		{name: "Podman 4", connect: networkEvent("connect", "a", ""), disconnect: networkEvent("disconnect", "a", ""), networks: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.engine.set(func() {
					b.engine.containers["a"].networks["n2"] = fakeEndpoint{ip: "172.19.0.5", ip6: "fd00:2::5"}
					b.engine.networks = `[{"IPAM":{"Config":[{"Subnet":"172.18.0.0/15"}]}}]`
				})
				b.engine.emit(tt.connect)
				synctest.Wait()
				if got := b.view.Load().expects(netip.MustParseAddr("172.19.0.9")); got != tt.networks {
					b.Errorf("the networks were read: %t", got)
				}
				b.wantKnown("172.19.0.5", "web")
				b.wantKnown("fd00:2::5", "web")

				release := b.engine.hold("/containers/a/json")
				b.engine.emit(tt.disconnect)
				b.wantKnown("172.19.0.5", "")
				release()
				b.engine.set(func() { delete(b.engine.containers["a"].networks, "n2") })
				b.engine.emit(tt.disconnect) // Docker tells twice
				b.wantKnown("172.19.0.5", "")
				b.wantKnown("172.18.0.2", "web")
			})
		})
	}
}

func TestEvents_DisconnectOfOneNetworkKeepsTheOther(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		one(e)
		e.containers["a"].networks["n2"] = fakeEndpoint{ip: "172.19.0.5"}
	}, func(b *bench) {
		release := b.engine.hold("/containers/a/json")
		b.engine.emit(networkEvent("disconnect", "n2", "a"))
		b.wantKnown("172.18.0.2", "web")
		b.wantKnown("172.19.0.5", "")
		release()
	})
}

func TestEvents_NewNetworkIsExpected(t *testing.T) {
	for _, event := range []string{networkEvent("create", "n2", ""), containerEvent("create", "c")} {
		t.Run(event, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.want("172.20.0.2", "nothing")
				b.engine.set(func() { b.engine.networks = `[{"IPAM":{"Config":[{"Subnet":"172.20.0.0/16"}]}}]` })
				b.engine.emit(event)
				synctest.Wait()
				b.wantUnknown("172.20.0.2", "no running container has 172.20.0.2")
				b.want("172.18.0.9", "nothing")
			})
		})
	}
}

func TestEvents_NetworkThatComesWhileNetworksAreReadIsExpected(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		release := b.engine.hold("/networks")
		b.engine.emit(networkEvent("create", "n2", ""))
		synctest.Wait()
		b.engine.set(func() { b.engine.networks = `[{"IPAM":{"Config":[{"Subnet":"172.20.0.0/16"}]}}]` })
		b.engine.emit(networkEvent("create", "n3", ""))
		synctest.Wait()
		release()
		synctest.Wait()
		if !b.view.Load().expects(netip.MustParseAddr("172.20.0.2")) {
			b.Error("the new network is unknown")
		}
	})
}

func TestEvents_ConnectOfAStoppedContainerIsNotInspected(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.emit(networkEvent("connect", "n1", "other"), networkEvent("disconnect", "n1", "other"))
		synctest.Wait()
		if got := b.engine.count("/containers/other/json"); got != 0 {
			b.Errorf("%d inspects", got)
		}
	})
}

func TestEvents_ListInFlightDoesNotHideANewNetwork(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		time.Sleep(time.Second)
		release := b.engine.hold("/networks")
		go func() { _ = b.locate("172.18.0.9") }()
		synctest.Wait()
		b.engine.set(func() {
			delete(b.engine.gates, "/networks")
			b.engine.networks = `[{"IPAM":{"Config":[{"Subnet":"172.20.0.0/16"}]}}]`
		})
		b.engine.emit(networkEvent("create", "n2", ""))
		synctest.Wait()
		release()
		synctest.Wait()
		if !b.view.Load().expects(netip.MustParseAddr("172.20.0.2")) {
			b.Error("the new network is unknown")
		}
		time.Sleep(time.Second)
	})
}

func TestEvents_RenameChangesTheName(t *testing.T) {
	inBubble(t, one, func(b *bench) {
		b.engine.set(func() {
			c := b.engine.containers["a"]
			c.name = "shop"
			b.engine.containers["a"] = c
		})
		b.engine.emit(containerEvent("rename", "a"))
		synctest.Wait()
		b.want("172.18.0.2", `container shop, role "web" of "label `+roleLabel+`"`)
	})
}

func TestEvents_InspectsAreBounded(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		e.delay = time.Millisecond
		for i := range 100 {
			e.containers[fmt.Sprint("c", i)] = web(fmt.Sprint("172.18.1.", i), "web", 1)
		}
	}, func(b *bench) {
		time.Sleep(time.Second)
		if got := b.Status().Containers; got != 100 || b.engine.mostAtOnce > maxInspects {
			b.Errorf("%d containers, %d inspects at once", got, b.engine.mostAtOnce)
		}
		for i := range 100 {
			b.engine.set(func() { delete(b.engine.containers, fmt.Sprint("c", i)) })
			b.engine.emit(containerEvent("die", fmt.Sprint("c", i)))
			synctest.Wait()
		}
		if got := b.Status().Containers; got != 0 {
			b.Errorf("%d containers", got)
		}
	})
}

func TestEvents_ContainerThatCannotBeInspectedIsUnknownAndLoggedOnce(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		one(e)
		e.containers["b"] = web("172.18.0.3", "jobs", 1)
		e.status["/containers/b/json"] = 500
	}, func(b *bench) {
		b.want("172.18.0.2", isWeb("web"))
		for range 3 {
			b.wantUnknown("172.18.0.3", "no running container has 172.18.0.3")
		}
		wantLines(b, "cannot inspect container", 1)
		b.engine.set(func() { delete(b.engine.status, "/containers/b/json") })
		if got := b.locate("172.18.0.3"); got != isWeb("jobs") {
			b.Errorf("then it is %s", got)
		}
	})
}

func TestEvents_UnreadableOnesEndTheConnection(t *testing.T) {
	for _, tt := range []struct{ name, event string }{
		{"not JSON", `{"Type":`},
		{"other types", `{"Type":7}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, one, func(b *bench) {
				b.engine.emit(tt.event, "]")
				synctest.Wait()
				if b.Status().Connected {
					b.Fatal("the connection goes on")
				}
				time.Sleep(2 * time.Second)
				b.want("172.18.0.2", isWeb("web"))
				if !b.Status().Connected {
					b.Errorf("it does not connect again: %s", b.Status().Error)
				}
			})
		})
	}
}
