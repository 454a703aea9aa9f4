// Package guard owns who is let in: which clients, by their address, which Host names, which requests of web pages and
// proxies, and how much of each. It asks before anything else is done with a request.
package guard

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/web"
)

// Rules say whom to let in. They never change once they are in use.
type Rules struct {
	// Auto lets in the networks of virtual interfaces: containers and virtual machines of this machine. Clients is not
	// looked at then.
	Auto    bool
	Clients []netip.Prefix
	// Hosts are further Host names, in lower case, beside those that public DNS cannot hold.
	Hosts []string
	// Origins are those of web pages that are let in, such as http://localhost:3000, in lower case.
	Origins []string
	// Proxies lets session tokens through that come with X-Forwarded-For.
	Proxies bool
	// MaxURL, MaxHeader and MaxBody are in bytes. A metadata client needs little of them.
	MaxURL    int
	MaxHeader int
	MaxBody   int64
	// Connections are the most at one time, of all clients but this machine, and of each of them.
	Connections          int
	ConnectionsPerClient int
}

// Class is how far a client is let in.
type Class int

// The classes of clients. Local are the loopback and this machine's own addresses.
const (
	Refused Class = iota
	Admitted
	Local
)

// Guard applies the rules in force.
type Guard struct {
	rules    atomic.Pointer[Rules]
	networks *Networks
	refusals *refusals
	open     connections
	host     atomic.Pointer[knownHost]
}

// New makes a guard that knows the machine's networks. It lets nobody in until Use.
func New(networks *Networks, log *slog.Logger, now func() time.Time) *Guard {
	g := &Guard{networks: networks, refusals: newRefusals(log, now), open: connections{room: roomIn(openFiles()), clients: map[netip.Addr]int{}}}
	g.rules.Store(&Rules{})
	return g
}

// Use puts rules in force, for requests from now on.
func (g *Guard) Use(r *Rules) { g.rules.Store(r) }

// Refused counts what has been refused, by the rule: clients, hosts, origins, proxies, sizes or connections.
func (g *Guard) Refused() map[string]int64 { return g.refusals.counts() }

// Wrap answers what the rules do not let in, with 403 and one sentence that says which key would, and hands the rest on.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if no := g.judge(r); no != nil {
			g.refuse(w, r, no)
			return
		}
		if welcome(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal is why a request is not let in.
type refusal struct {
	rule   string // for counting
	status int
	text   string
}

func forbidden(rule, format string, args ...any) *refusal {
	return &refusal{rule, http.StatusForbidden, fmt.Sprintf(format, args...)}
}

// judge asks the rules, the cheapest and those that give least away first.
func (g *Guard) judge(r *http.Request) *refusal {
	rules := g.rules.Load()
	if no := g.judgeClient(rules, r); no != nil {
		return no
	}
	if no := g.judgeHost(rules, r); no != nil {
		return no
	}
	h := headersOf(r)
	if no := judgePage(rules, r.Host, &h); no != nil {
		return no
	}
	if no := judgeProxy(rules, r, &h); no != nil {
		return no
	}
	return judgeSize(rules, r, &h)
}

// bodyTime is about how long who is refused may take to send a body. Many clients only listen after that, and net/http waits for it.
const bodyTime = time.Second

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	g.refusals.add(remote(r), no.rule, no.text)
	h := w.Header()
	h["Server"] = []string{"EC2ws"}
	h["Connection"] = []string{"close"} // no room for those that are not wanted
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	web.Write(w, no.status, "text/plain", []byte(no.text+"\n"))
}
