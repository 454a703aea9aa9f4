package app

import (
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"mock-ec2-metadata/internal/api"
)

// Who says who clients are to AWS where no role is for them.
func (a *App) Who() api.Who {
	s := a.State()
	own, _ := s.ownInstance()
	described, _ := keeperStatus(s.Keeper, own.Credentials.Mock, a.opt.Now())
	w := api.Who{
		ARN: described.ARN, Source: described.Source, State: described.State, Roles: s.choices(), Switched: s.Choice,
		Expiration: described.Expiration, LastRenewal: described.LastRenewal, LastError: described.LastError,
	}
	if s.Keeper == nil {
		return w
	}
	spec, state := s.Specs[0], s.Keeper.State()
	if w.ARN == "" {
		w.ARN = spec.SessionARN()
	}
	w.Account, w.SessionName = sessionOf(w.ARN)
	w.Role, w.KeyEnd, w.Profile = s.role, state.KeyEnd, spec.Profile
	if !state.RenewsAt.IsZero() && state.Valid {
		at := state.RenewsAt.UTC().Truncate(time.Second)
		w.RenewsAt = &at
	}
	return w
}

// sessionOf returns the account and the session name in the ARN of an assumed role; "" for what other ARNs do not have.
func sessionOf(text string) (account, session string) {
	a, err := arn.Parse(text)
	if err != nil {
		return "", ""
	}
	if parts := strings.Split(a.Resource, "/"); len(parts) == 3 && parts[0] == "assumed-role" {
		session = parts[2]
	}
	return a.AccountID, session
}

// Overview describes the daemon at one moment. Of secrets it has the ids of roles.
func (a *App) Overview() *api.Overview {
	o := &api.Overview{Status: a.Status(), Who: a.Who(), Listeners: []api.Listener{}}
	o.Requests, o.V2 = a.journal.Count()
	for i, address := range a.Addrs() {
		l := api.Listener{Address: address.String(), URL: api.URL(address.String())}
		if at, err := netip.ParseAddrPort(l.Address); err == nil {
			if only := a.surfaceAt(at.Addr(), a.server.Names()[i]); only != everything {
				l.Only = only.String()
			}
		}
		o.Listeners = append(o.Listeners, l)
	}
	return o
}
