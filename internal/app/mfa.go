package app

import (
	"context"
	"errors"
	"fmt"
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

// MFASerial is the device whose code is wanted, "" when none is.
func (a *App) MFASerial() string {
	if keeper := a.State().Keeper; keeper != nil {
		return keeper.State().MFASerial
	}
	return ""
}

// AnswerMFA makes the call that waits for an MFA code, with the one that was typed, and says whose credentials it gave. It takes
// at most 70 seconds.
func (a *App) AnswerMFA(ctx context.Context, typed string) (string, error) {
	code := strings.TrimSpace(typed)
	if err := credentials.CheckMFACode(code); err != nil {
		return "", err
	}
	s := a.State()
	if s.Keeper == nil {
		return "", errors.New("no MFA code is wanted: there is no instance profile")
	}
	ctx, cancel := context.WithTimeout(ctx, mfaTimeout)
	defer cancel()
	err := s.Keeper.Answer(ctx, code)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", errors.New("the call with this code has not ended yet; see /status")
	}
	if err != nil {
		return "", err
	}
	got := s.Keeper.State()
	who := got.ARN
	if who == "" {
		who = s.Instance.Role
	}
	return fmt.Sprintf("credentials of %s until %s", who, got.Expiration.UTC().Format(time.RFC3339)), nil
}

// Settle waits until there are credentials, the first call has failed, or 5 seconds after the start.
func (a *App) Settle(ctx context.Context) {
	if keeper := a.State().Keeper; keeper != nil {
		keeper.Settled(ctx)
	}
}
