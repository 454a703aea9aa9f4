package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// healthPath is where the daemon asks its own listeners. Others get what the metadata service answers there.
const healthPath = "/healthz"

// answerHealth answers the daemon's own questions before the access log has them.
func (a *App) answerHealth(next http.Handler) http.Handler {
	if a.opt.Observer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.isOwn(r) && web.Path(r) == healthPath {
			web.Write(w, http.StatusOK, "text/plain", nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Answers asks each listener, and returns why one does not answer before ctx is done. The error names no path.
func (a *App) Answers(ctx context.Context) error {
	addrs := a.Addrs()
	failed := make([]error, len(addrs))
	var asking sync.WaitGroup
	for i, addr := range addrs {
		asking.Go(func() { failed[i] = a.ask(ctx, addr) })
	}
	asking.Wait()
	return errors.Join(failed...)
}

// ask asks a listener. Any answer counts: a listener for one service alone has its own for unknown paths.
func (a *App) ask(ctx context.Context, addr net.Addr) error {
	to := api.Reachable(addr.String())
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network(), to)
		},
	}}
	host := to
	if addr.Network() == "unix" {
		host, addr = "localhost", nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+healthPath, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set(sts.OriginHeader, a.origin)
	resp, err := client.Do(req)
	if err == nil {
		return resp.Body.Close()
	}
	if addr == nil {
		return errors.New("a socket does not answer")
	}
	return fmt.Errorf("%s does not answer", addr)
}

// Ready returns why clients would get no credentials of the file's own role; nil if they would, or if there is no role on purpose. The
// error quotes nothing that AWS or the profile says.
func (a *App) Ready() error {
	s := a.State()
	if s.Cluster != nil {
		if !s.Cluster.Status().Synced {
			return errors.New("the pods of the node are not known yet")
		}
		return nil
	}
	switch c, _ := keeperStatus(s.Keeper, s.Config.Config.Credentials.Mock, a.opt.Now()); c.State {
	case api.StateValid, api.StateNone, api.StateIdle: // the next client gets them
		return nil
	default:
		return errors.New(c.State)
	}
}

// Admit lets only clients, Host names and web pages through that the guard allows, as for the metadata service.
func (a *App) Admit(next http.Handler) http.Handler { return web.CleanPath(a.guard.Wrap(next)) }

// Limit closes connections of l beyond the guard's limits.
func (a *App) Limit(l net.Listener) net.Listener { return a.guard.Limit(l) }
