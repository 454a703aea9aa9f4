package app

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// address returns one of many addresses.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0xac120000+uint32(n))))
}

func TestUnknown_EachAddressIsLoggedOnceInTenSeconds(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var u unknown
	logged := func(n int) bool { return u.add(address(n), now) }
	for n := range 3 {
		if !logged(n) {
			t.Errorf("address %d is not logged at first", n)
		}
	}
	for range 5 {
		now = now.Add(repeatAfter/5 - 1)
		for n := range 3 {
			if logged(n) {
				t.Errorf("address %d is logged again at %v", n, now)
			}
		}
	}
	now = now.Add(5)
	for n := range 3 {
		if !logged(n) || logged(n) {
			t.Errorf("address %d is not logged once after 10 s", n)
		}
	}
	if got := u.total(); got != 24 {
		t.Errorf("%d requests are counted", got)
	}
}

func TestUnknown_RemembersABoundedNumberOfAddresses(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var u unknown
	for n := range maxUnknown {
		u.add(address(n), now)
	}
	if u.add(address(0), now) || u.add(address(maxUnknown-1), now) {
		t.Errorf("an address is forgotten before %d others have asked", maxUnknown)
	}
	now = now.Add(repeatAfter)
	if !u.add(address(0), now) || len(u.logged) != maxUnknown {
		t.Errorf("%d addresses, after one of them was logged again", len(u.logged))
	}
	if !u.add(address(maxUnknown), now) || len(u.logged) != 1 {
		t.Errorf("%d addresses after one too many", len(u.logged))
	}
}

// TestContainers_UnknownAddressesTakeTurns has two clients that ask by turns.
func TestContainers_UnknownAddressesTakeTurns(t *testing.T) {
	u, _, log := containers(t)
	for range 3 {
		for _, client := range []string{"172.20.0.8:1", "172.20.0.9:1"} {
			if rec := u.do(http.MethodGet, "/latest/meta-data/instance-id", client); rec.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d", client, rec.Code)
			}
		}
	}
	if n := strings.Count(log.String(), "client is not known"); n != 2 {
		t.Errorf("%d lines: %s", n, log)
	}
}
