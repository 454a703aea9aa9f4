package relay

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Kinds of Events.
const (
	EventConnected = "connected" // the stream to a node works
	EventLost      = "lost"      // it does not, or cannot be opened; it is tried again
	EventGave      = "gave"      // a pod got credentials
	EventRefused   = "refused"   // the laptop's rules refuse a wish
	EventFailed    = "failed"    // the credentials of a wish cannot be got
	EventNodes     = "nodes"     // the nodes cannot be listed; it is tried again
)

// Event is what a Feeder tells the user. It holds no secret.
type Event struct {
	Kind string
	Node Node // zero under EventNodes
	// Wish is of EventGave, EventRefused and EventFailed.
	Wish Wish
	// Expiration is of EventGave.
	Expiration time.Time
	// Err is the reason of the others but EventConnected.
	Err error
}

// String is a line for the terminal, in local time. A node cannot put control characters into it.
func (e Event) String() string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' ' // kubectl's messages have several lines
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, e.text())
}

func (e Event) text() string {
	role := "role " + e.Wish.Role
	if e.Wish.Role == "" {
		role = "the profile's own credentials"
	}
	switch e.Kind {
	case EventConnected:
		return fmt.Sprintf("node %q: connected", e.Node.Name)
	case EventLost:
		return fmt.Sprintf("node %q: not connected: %v", e.Node.Name, e.Err)
	case EventGave:
		return fmt.Sprintf("%s got %s until %s", who(e.Wish.Subject), role, e.Expiration.Local().Format(time.TimeOnly))
	case EventRefused:
		return fmt.Sprintf("%s is refused %s: %v", who(e.Wish.Subject), role, e.Err)
	case EventFailed:
		return fmt.Sprintf("%s does not get %s: %v", who(e.Wish.Subject), role, e.Err)
	default:
		return fmt.Sprintf("cannot list the nodes: %v", e.Err)
	}
}

// subject identifies what an Event is about.
func (e Event) subject() string {
	switch e.Kind {
	case EventConnected, EventLost:
		return "node " + e.Node.Name
	case EventNodes:
		return e.Kind
	default:
		return "wish " + who(e.Wish.Subject) + " " + e.Wish.Role
	}
}

// mostTold bounds how many failures are remembered.
const mostTold = 4096

// tell reports an Event. A failure with the same reason as before is told once, until the thing works.
func (f *Feeder) tell(e Event) {
	f.telling.Lock()
	defer f.telling.Unlock()
	subject := e.subject()
	if e.Err == nil {
		delete(f.told, subject)
	} else {
		text := e.Err.Error()
		if f.told[subject] == text {
			return
		}
		if len(f.told) >= mostTold {
			clear(f.told)
		}
		f.told[subject] = text
	}
	f.opt.Report(e)
}
