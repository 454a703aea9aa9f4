package metrics

import (
	"maps"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// event starts an event and returns its id.
func (c *counted) event(t *testing.T, body string) string {
	t.Helper()
	e, _, err := c.PutEvent("", []byte(body), peer)
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

func TestEvents_ActiveOnesCountByKind(t *testing.T) {
	c := count(t, mocked)
	before := c.scrape(t)
	id := c.event(t, `{"spot": "terminate"}`)
	c.event(t, `{"set": {"meta-data/ami-id": "ami-1"}}`)
	c.event(t, `{"set": {"meta-data/hostname": "h"}}`)
	changed := c.scrape(t).since(before)
	want := series{`events_active{kind="spot"}`: 1, `events_active{kind="set"}`: 2}
	if got := changed.of("events_active"); !maps.Equal(got, want) {
		t.Errorf("active are %v, want %v", got, want)
	}
	if changed["snapshot_generation"] < 3 {
		t.Errorf("3 events changed the generation by %v", changed["snapshot_generation"])
	}
	if err := c.DeleteEvents(id, peer); err != nil {
		t.Fatal(err)
	}
	delete(want, `events_active{kind="spot"}`)
	if got := c.scrape(t).since(before).of("events_active"); !maps.Equal(got, want) {
		t.Errorf("after the end of one %v are active, want %v", got, want)
	}
}

// TestFaults_HitsCountByEffect has one fault of each effect that an answer can show, each at a path of its own.
func TestFaults_HitsCountByEffect(t *testing.T) {
	c := count(t, mocked)
	for _, tt := range []struct {
		effect, fault, method, path, token string
		waits                              bool
	}{
		{effect: "delay", fault: `{"delay": "1ms"}`},
		{effect: "status", fault: `{"delay": "1ms", "status": 500}`},
		{effect: "reset", fault: `{"reset": true}`},
		{effect: "drip", fault: `{"drip": "1ms"}`},
		{effect: "cut", fault: `{"cut": 1}`},
		{effect: "truncate", fault: `{"truncate": 1}`},
		{effect: "body", fault: `{"body": "html"}`},
		{effect: "redirect", fault: `{"redirect": true}`},
		{effect: "no_ttl", fault: `{"no_ttl": true}`, method: "PUT", path: "latest/api/token"},
		{effect: "credentials", fault: `{"credentials": {"expired": true}}`, path: rolePath},
		{effect: "skew", fault: `{"skew": "1h"}`, path: rolePath},
		{effect: "throttle", fault: `{"throttle": {"rate": 1, "burst": 1}}`},
		{effect: "hang", fault: `{"hang": true}`, waits: true},
		{effect: "stall", fault: `{"stall": 1}`, waits: true},
		{effect: "token_lost", fault: `{"token_lost": true}`, method: "PUT", path: "latest/api/token", waits: true},
		{effect: "tokens", fault: `{"tokens": "refuse"}`, token: "valid"},
	} {
		t.Run(tt.effect, func(t *testing.T) {
			method, path, headers := "GET", "latest/meta-data/instance-id", []string{"Connection", "close", ttlHeader, "60"}
			if tt.method != "" {
				method = tt.method
			}
			if tt.path != "" {
				path = tt.path
			}
			if tt.token != "" {
				headers = append(headers, tokenHeader, c.token(t))
			}
			made, _, err := c.PutFault("", []byte(tt.fault), peer)
			if err != nil {
				t.Fatal(err)
			}
			before := c.scrape(t)
			switch {
			case tt.waits: // until the fault is gone
				var asking sync.WaitGroup
				defer asking.Wait()
				defer func() { _ = c.DeleteFaults(made.ID, peer) }()
				asking.Go(func() { c.ask(t, method, path, headers...) })
			case tt.effect == "throttle": // beyond what it lets through
				c.ask(t, method, path, headers...)
				c.ask(t, method, path, headers...)
			default:
				c.ask(t, method, path, headers...)
			}
			if !tt.waits {
				defer func() { _ = c.DeleteFaults(made.ID, peer) }()
			}
			var got series
			testutil.EventuallyWithin(t, 5*time.Second, "a hit of "+tt.effect, func() bool {
				got = c.scrape(t).since(before).of("fault_hits_total")
				return len(got) > 0
			})
			if !maps.Equal(got, series{`fault_hits_total{effect="` + tt.effect + `"}`: 1}) {
				t.Errorf("counted as %v", got)
			}
		})
	}
}
