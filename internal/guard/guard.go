// Package guard decides which requests are allowed: by client address, Host name, web page, proxy, size and number of
// connections. It is the outermost handler.
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

// Rules say what is allowed. They must not change after Use.
type Rules struct {
	// Auto allows the networks of virtual interfaces, which are this machine's containers and virtual machines. It overrides
	// Clients.
	Auto    bool
	Clients []netip.Prefix
	// Hosts are Host names, in lower case, allowed in addition to those that public DNS cannot hold.
	Hosts []string
	// Origins are the allowed origins of web pages, in lower case, such as http://localhost:3000.
	Origins []string
	// Proxies allows requests with both a session token and X-Forwarded-For.
	Proxies bool
	// MaxURL, MaxHeader and MaxBody are in bytes.
	MaxURL    int
	MaxHeader int
	MaxBody   int64
	// Connections and ConnectionsPerClient limit concurrent connections. Those of this machine do not count.
	Connections          int
	ConnectionsPerClient int
}

// Class is what the rules say of a client.
type Class int

// The classes of clients. Local clients have a loopback address or another address of this machine.
const (
	Refused Class = iota
	Allowed
	Local
)

// Guard applies the current rules.
type Guard struct {
	rules    atomic.Pointer[Rules]
	networks *Networks
	refusals *refusals
	open     connections
	// denied is called with each refusal; nil for none.
	denied func(*http.Request, Denial)
}

// New returns a guard that refuses all requests until Use.
func New(networks *Networks, log *slog.Logger, now func() time.Time) *Guard {
	g := &Guard{networks: networks, refusals: newRefusals(log, now)}
	g.open = connections{capacity: capacityFor(openFiles()), clients: map[netip.Addr]int{}}
	g.rules.Store(&Rules{})
	return g
}

// Use sets the rules for all later requests.
func (g *Guard) Use(r *Rules) { g.rules.Store(r) }

// Refused returns the number of refusals by rule: clients, hosts, origins, proxies, sizes or connections.
func (g *Guard) Refused() map[string]int64 { return g.refusals.counts() }

// Wrap calls next for allowed requests. It answers others with 403, or the status of the exceeded limit, and one sentence
// that names the configuration key.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if denied := g.judge(r, nil); denied != nil {
			g.refuse(w, r, denied)
			return
		}
		if answerCORS(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal is the answer to a request that is not allowed.
type refusal struct {
	rule   string // as Refused counts it
	status int
	text   string
	// key is the one of the configuration that would allow the request with item; "" if none would.
	key, item string
}

func forbidden(rule, format string, args ...any) *refusal {
	return &refusal{rule: rule, status: http.StatusForbidden, text: fmt.Sprintf(format, args...)}
}

// unless names what would allow the request: a value of a key, or one more element of it.
func (d *refusal) unless(key, item string) *refusal {
	d.key, d.item = key, item
	return d
}

// judge applies the rules, starting with those that are cheap and reveal least to the client. It returns nil if all allow
// the request. It notes in passed, unless that is nil, which have allowed it.
func (g *Guard) judge(r *http.Request, passed *passed) *refusal {
	rules := g.rules.Load()
	if denied := g.judgeClient(rules, r); denied != nil {
		return denied
	}
	passed.add("clients")
	if denied := g.judgeTarget(rules, r); denied != nil { // before the Host, which is the target's
		return denied
	}
	if denied := judgeHost(rules, r); denied != nil {
		return denied
	}
	passed.add("hosts")
	h := headersOf(r)
	if denied := judgePage(rules, r.Host, &h); denied != nil {
		return denied
	}
	passed.add("origins")
	if denied := judgeProxy(rules, r, &h); denied != nil {
		return denied
	}
	passed.add("proxies")
	if denied := judgeSize(rules, r, &h); denied != nil {
		return denied
	}
	passed.add("sizes")
	return nil
}

// bodyTimeout limits how long net/http reads the body of a refused request. Many clients read the answer only after they
// have sent the body.
const bodyTimeout = time.Second

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, denied *refusal) {
	g.refusals.add(web.Remote(r), denied.rule, denied.text)
	g.tell(r, denied.denial(web.Remote(r)))
	h := w.Header()
	contentType := "text/plain"
	if local := web.Local(r); IsECS(local) || IsPodIdentity(local) { // as the agents answer
		contentType = "text/plain; charset=utf-8"
		h["X-Content-Type-Options"] = []string{"nosniff"}
	} else {
		h["Server"] = []string{"EC2ws"}
	}
	h["Connection"] = []string{"close"} // a refused client must not keep a connection
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	web.Write(w, denied.status, contentType, []byte(denied.text+"\n"))
}
