package podidentity

import (
	"container/list"
	"net/netip"
	"time"
)

// Each verification takes a place of its client and one of all clients together. A refusal keeps both, and they come back with
// time. So bad tokens of one client do not shut out others.
const (
	// clientBurst covers the start of all pods of a few nodes behind one address: a verification in progress has a place too.
	clientBurst = 400
	clientRate  = 10 // places a second
	// sharedBurst and sharedRate protect the API server from a client with many addresses. Ten of them use up sharedRate.
	sharedBurst = 2000
	sharedRate  = 100
	// The last reserve shared places are for clients that hold fewer than few: those without many bad tokens. Else three clients
	// could take all of them by their bursts.
	reserve = sharedBurst / 2
	few     = 20

	maxClients = 1024
)

// places counts verifications. Its memory is bounded: beyond maxClients the client that came the longest ago is forgotten, to whom
// this only gives places. What a client gains by many addresses, sharedRate bounds. The owner guards it by a lock.
type places struct {
	shared  bucket
	clients map[netip.Addr]*list.Element
	recent  *list.List // of *clientPlaces, who came last in front
}

// clientPlaces are the places of a client.
type clientPlaces struct {
	client netip.Addr
	bucket bucket
}

// bucket holds free places.
type bucket struct {
	free   float64
	filled time.Time // the last time
}

func newPlaces(now time.Time) *places {
	return &places{shared: bucket{sharedBurst, now}, clients: map[netip.Addr]*list.Element{}, recent: list.New()}
}

// take takes a place for a verification, which giveBack gives back. It returns errTooMany or errTooManyOfAll without one.
func (p *places) take(client netip.Addr, now time.Time) (*clientPlaces, error) {
	p.shared.fill(now, sharedRate, sharedBurst)
	if p.shared.free < 1 {
		return nil, errTooManyOfAll
	}
	c := p.of(client, now)
	c.bucket.fill(now, clientRate, clientBurst)
	switch {
	case c.bucket.free < 1:
		return nil, errTooMany
	case p.shared.free < reserve && c.bucket.free <= clientBurst-few:
		return nil, errTooManyOfAll
	}
	c.bucket.free--
	p.shared.free--
	return c, nil
}

// giveBack gives a place back that take returned. The client may be forgotten meanwhile.
func (p *places) giveBack(c *clientPlaces) {
	c.bucket.free = min(clientBurst, c.bucket.free+1)
	p.shared.free = min(sharedBurst, p.shared.free+1)
}

// of returns the places of a client, which is the last that came now.
func (p *places) of(client netip.Addr, now time.Time) *clientPlaces {
	client = network(client)
	if e, there := p.clients[client]; there {
		p.recent.MoveToFront(e)
		return e.Value.(*clientPlaces)
	}
	if p.recent.Len() >= maxClients {
		oldest := p.recent.Remove(p.recent.Back()).(*clientPlaces)
		delete(p.clients, oldest.client)
	}
	c := &clientPlaces{client, bucket{clientBurst, now}}
	p.clients[client] = p.recent.PushFront(c)
	return c
}

// fill adds the places that came back since the last time.
func (b *bucket) fill(now time.Time, rate, burst float64) {
	if passed := now.Sub(b.filled).Seconds(); passed > 0 {
		b.free = min(burst, b.free+passed*rate)
		b.filled = now
	}
}

// network returns what counts as one client: an IPv4 address, or an IPv6 network of 64 bits, since one host may have all of its
// addresses. Package guard counts alike.
func network(a netip.Addr) netip.Addr {
	if p, err := a.WithZone("").Prefix(64); err == nil && a.Is6() {
		return p.Addr().WithZone(a.Zone())
	}
	return a
}
