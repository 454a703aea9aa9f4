package guard

import (
	"net/http"
	"net/netip"

	"mock-ec2-metadata/internal/web"
)

// Denial says why a request or a connection was refused.
type Denial struct {
	Client netip.Addr
	// Rule is as Refused counts it.
	Rule string
	// Status and Text are the answer; Status is 0 for a connection, which gets none.
	Status int
	Text   string
	// Key is the one of the configuration that would allow the request: with the value Item or, if it is a list, with that element more. ""
	// if none would. A client has sent Item: it may be no valid value.
	Key, Item string
}

// OnDenial has a function called with each refusal, and its request; nil for a connection. It must not block, nor keep the request. It is
// set before Wrap and Limit.
func (g *Guard) OnDenial(told func(*http.Request, Denial)) { g.denied = told }

// Judge says what the rules say of a request: which allow it, in the order in which they are applied, and which is the first that does
// not, if any. It answers and counts nothing.
func (g *Guard) Judge(r *http.Request) (allowedBy []string, denied *Denial) {
	var names passed
	if d := g.judge(r, &names); d != nil {
		found := d.denial(web.Remote(r))
		denied = &found
	}
	return names, denied
}

// passed are the names of rules that allow a request.
type passed []string

// add does nothing without a list, which only Judge gives it.
func (p *passed) add(rule string) {
	if p != nil {
		*p = append(*p, rule)
	}
}

func (d *refusal) denial(client netip.Addr) Denial {
	return Denial{Client: client, Rule: d.rule, Status: d.status, Text: d.text, Key: d.key, Item: d.item}
}

func (g *Guard) tell(r *http.Request, d Denial) {
	if g.denied != nil {
		g.denied(r, d)
	}
}
