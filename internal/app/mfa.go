package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

// mfaTimeout bounds AnswerMFA: a call in flight, and the one with the code.
const mfaTimeout = 70 * time.Second

// needsMFA is called when a keeper needs a code.
func (a *App) needsMFA(_ *credentials.Keeper, n *credentials.NeedsMFA) {
	attrs := []any{"error", n.Error(), "serial", n.Serial}
	if a.control != nil {
		if c := a.control.Status(); c.Error != "" {
			attrs = append(attrs, "socket_error", c.Error)
		} else {
			attrs = append(attrs, "socket", c.Socket)
		}
	}
	a.log.Warn("waiting for MFA", append(attrs, "hint", "mock-ec2-metadata mfa CODE")...)
	if a.opt.MFAWanted != nil {
		a.opt.MFAWanted()
	}
}

// waiting is an identity whose credentials need an MFA code.
type waiting struct {
	keeper *credentials.Keeper
	role   string
	serial string
}

// waitingForMFA returns the identities whose credentials need a code, the file's own first.
func (a *App) waitingForMFA() []waiting {
	s := a.State()
	var all []waiting
	add := func(keeper *credentials.Keeper, role string) {
		if keeper == nil {
			return
		}
		if serial := keeper.State().MFASerial; serial != "" {
			all = append(all, waiting{keeper, role, serial})
		}
	}
	add(s.Keeper, s.role)
	for _, id := range s.identities.all() {
		if made := id.made.Load(); made != nil {
			add(made.keeper, id.grant.name)
		}
	}
	return all
}

// MFASerial is the device whose code is wanted, "" when none is.
func (a *App) MFASerial() string { return a.MFASerialOf("") }

// MFASerialOf is the device whose code the credentials of a role wait for, "" when they wait for none. The role "" is any.
func (a *App) MFASerialOf(role string) string {
	if w, ok := a.waitingOf(role, a.waitingForMFA()); ok {
		return w.serial
	}
	return ""
}

// waitingOf returns the first of all that is of a role; "" is any. One of roles comes before the file's own of the same name.
func (a *App) waitingOf(role string, all []waiting) (waiting, bool) {
	configured := a.State().identities.roles[role]
	var found []waiting
	for _, w := range all {
		if role == "" || w.role == role {
			found = append(found, w)
		}
	}
	for _, w := range found {
		if configured == nil {
			break
		}
		if made := configured.made.Load(); made != nil && made.keeper == w.keeper {
			return w, true
		}
	}
	if len(found) == 0 {
		return waiting{}, false
	}
	return found[0], true
}

// AnswerMFA is AnswerMFAOf for the first that wait, the file's own before those of roles.
func (a *App) AnswerMFA(ctx context.Context, typed string) (string, error) {
	return a.AnswerMFAOf(ctx, "", typed)
}

// AnswerMFAOf makes the call that waits for an MFA code, with the one that was typed, and says whose credentials it gave. The call
// is for the credentials of a role; "" is the first that wait. Others that wait for the same device then use the session that
// the code has opened. It takes at most 70 seconds.
func (a *App) AnswerMFAOf(ctx context.Context, role, typed string) (string, error) {
	code := strings.TrimSpace(typed)
	if err := credentials.CheckMFACode(code); err != nil {
		return "", err
	}
	all := a.waitingForMFA()
	first, ok := a.waitingOf(role, all)
	if !ok {
		return "", a.noCodeWanted(role, all)
	}
	ctx, cancel := context.WithTimeout(ctx, mfaTimeout)
	defer cancel()
	err := first.keeper.Answer(ctx, code)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", errors.New("the call with this code has not ended yet; see /status")
	}
	if err != nil {
		return "", err
	}
	a.pool.Retry()
	got := first.keeper.State()
	return fmt.Sprintf("credentials of %s until %s", cmp.Or(got.ARN, first.role), got.Expiration.UTC().Format(time.RFC3339)), nil
}

// noCodeWanted says why a code cannot be used. all wait for one.
func (a *App) noCodeWanted(role string, all []waiting) error {
	s := a.State()
	var others []string
	for _, w := range all {
		if other := fmt.Sprintf("%s (%s)", w.role, w.serial); !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	switch {
	case len(others) > 0:
		return fmt.Errorf("no MFA code is wanted for the role %q; these wait for one: %s", role, strings.Join(others, ", "))
	case role != "":
		return errors.New("no MFA code is wanted now; the daemon gets the credentials of a role when a client first asks for them")
	case s.Keeper == nil && len(s.identities.roles) == 0:
		return errors.New("no MFA code is wanted: there is no instance profile")
	default:
		return errors.New("no MFA code is wanted now")
	}
}

// Settle waits until there are credentials, the first call has failed, or 5 seconds after the start.
func (a *App) Settle(ctx context.Context) {
	if keeper := a.State().Keeper; keeper != nil {
		keeper.Settled(ctx)
	}
}
