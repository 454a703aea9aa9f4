package app

import (
	"context"
	"net/http"
	"slices"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/web"
)

// client is who asks.
type client struct {
	state     *State
	local     bool             // this machine itself
	entry     int              // of clients; caller.None if none is for it
	workload  *caller.Workload // what runs at its address, if that names a role
	container *caller.Workload // what runs at its address; nil for what is no container, or cannot be one
	pod       *podIdentity     // of a cluster; nil elsewhere, and for the node itself
	identity  *clientIdentity
	// until is when the client must have its answer, if finding out who asks has taken long; else zero.
	until time.Time
}

// slowLocate is how long a container engine may take without a shorter wait for credentials: SDKs give up after a second in all.
const slowLocate = 50 * time.Millisecond

// inTime returns a context for what the client still waits for.
func (c client) inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.until.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, c.until)
}

// client finds out who asks. Its error is the answer to a client that is denied or not known.
func (a *App) client(r *http.Request) (client, error) {
	for {
		s := a.State()
		c, err := a.clientOf(s, r)
		if err != nil || a.State() == s { // who gets nothing need not wait for the container engine again
			return c, err
		}
		// A reload came meanwhile: the guard judged by the old rules, and the engine may have been asked for long.
	}
}

// clientOf finds out who asks by one state.
func (a *App) clientOf(s *State, r *http.Request) (client, error) {
	class := a.guard.ClassBy(s.Rules, web.Remote(r))
	if class == guard.Refused {
		return client{}, &web.Error{Status: http.StatusForbidden}
	}
	if s.cluster != nil {
		return a.clientInCluster(s, r, class)
	}
	c, err := a.identify(s, r, class)
	if err != nil {
		return client{}, a.refuseUnknown(r, err)
	}
	if c.workload == nil && c.entry >= 0 && !s.identities.asked[c.entry].Load() {
		s.identities.asked[c.entry].Store(true)
	}
	return c, nil
}

// identify finds out what a client gets outside of a cluster. It counts nothing.
func (a *App) identify(s *State, r *http.Request, class guard.Class) (client, error) {
	remote, listener := web.Remote(r), web.Listener(r)
	c := client{state: s, local: class == guard.Local, entry: s.router.Route(remote, listener)}
	if s.orphans[listener] {
		return client{}, errOrphan
	}
	if s.Locator != nil && !c.local {
		began := time.Now()
		w, err := a.locate(s, r, c.entry)
		if err != nil {
			return client{}, err
		}
		if time.Since(began) > slowLocate {
			c.until = began.Add(caller.Wait)
		}
		c.container = w
		if w != nil && w.Role != "" {
			c.workload = w
			var fresh bool
			if c.identity, fresh = s.ofWorkload(c.entry, w); fresh && c.identity.grant.denied != nil {
				a.log.Warn("role of a container denied", "container", w.Name, "role", w.Role, "source", w.Source, "hint", "add it to containers.allow")
			}
			return c, nil
		}
	}
	c.identity = s.identities.of(c.entry)
	return c, nil
}

// note tells the access log who asks.
func (c client) note(r *http.Request, role string) {
	identity := c.state.identities.name(c.entry)
	if c.pod != nil {
		identity = c.workload.Name
	}
	web.SetCaller(r, web.Caller{Role: role, Identity: identity})
}

// selector selects the identity of each client.
type selector struct{ app *App }

// Select returns the target of who asks, and the normalised path.
func (s selector) Select(r *http.Request) (*imds.Target, string, error) {
	c, err := s.app.client(r)
	if err != nil {
		return nil, "", err
	}
	c.note(r, c.identity.grant.name)
	made := c.state.serveMetadataTo(c, web.Remote(r))
	if made == nil {
		return nil, "", &web.Error{Status: http.StatusInternalServerError}
	}
	target := made.target
	if c.pod != nil {
		target = s.app.targetOf(c, made)
	}
	faults := c.state.Faults != nil && target.Faults == nil
	hurried := !c.until.IsZero() && target.Credentials != nil
	if !faults && !hurried {
		return target, web.Path(r), nil
	}
	own := *target
	if faults {
		own.Faults = c.state.Faults
	}
	if hurried {
		own.Credentials = hurriedSource{c, target.Credentials}
	}
	return &own, web.Path(r), nil
}

// hurriedSource is the source of credentials of a client that has waited already.
type hurriedSource struct {
	client client
	source imds.CredentialSource
}

// Credentials returns those of the source.
func (h hurriedSource) Credentials(ctx context.Context) (*imds.Credentials, error) {
	ctx, cancel := h.client.inTime(ctx)
	defer cancel()
	return h.source.Credentials(ctx)
}

// mayHave reports whether a client may have a role by its id; "" is the file's own. A container with a role has that one, and an entry
// its role and those of also. For all others the id suffices, and for this machine, whose processes run as its users.
func (c client) mayHave(role string) bool {
	switch {
	case c.state.cluster != nil: // pods and the node have their own by the metadata service, and no ids
		return false
	case c.workload != nil:
		return c.identity.grant.denied == nil && c.workload.Role == role
	case c.entry < 0 || c.local:
		return true
	default:
		e := &c.state.Config.Config.Clients[c.entry]
		return e.Role == role || slices.Contains(e.Also, role)
	}
}
