package app

import (
	"context"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"mock-ec2-metadata/internal/api"
)

// reportState tells the service manager (sd_notify(3)) that the daemon is ready, its status at each change until
// background is done, and when ctx is done that it stops.
func (a *App) reportState(ctx, background context.Context) {
	renewed := a.renewed() // before the status is read, so that no change is missed
	a.notify(systemd.SdNotifyReady, a.statusLine())
	defer context.AfterFunc(ctx, func() { a.notify(systemd.SdNotifyStopping) })()
	for {
		select {
		case <-background.Done():
			return
		case <-renewed:
		case <-a.changed:
		}
		renewed = a.renewed()
		a.notify(a.statusLine())
	}
}

// renewed is closed when the next call for credentials has ended, unless a reload replaces the keeper.
func (a *App) renewed() <-chan struct{} {
	if keeper := a.State().Keeper; keeper != nil {
		return keeper.Ended()
	}
	return nil
}

// noteReload tells that a reload has ended, whether it succeeded or not.
func (a *App) noteReload() {
	a.notify(systemd.SdNotifyReady)
	select {
	case a.changed <- struct{}{}:
	default: // the status is about to be read
	}
}

// reloading says that a reload begins now.
func reloading() string {
	return systemd.SdNotifyReloading + "\n" + strings.TrimSpace(systemd.SdNotifyMonotonicUsec())
}

// notify sends the service manager a message, if there is one.
func (a *App) notify(lines ...string) {
	if a.opt.Notify == nil {
		return
	}
	if err := a.opt.Notify(strings.Join(lines, "\n")); err != nil {
		a.log.Warn("cannot notify the service manager", "error", err)
	}
}

// statusLine is what systemctl status shows: one line, whatever the errors contain.
func (a *App) statusLine() string {
	s := a.Status()
	text := "STATUS=serves " + api.Describe(s.InstanceID, s.Role, "")
	if s.Role != "" {
		text += ", credentials " + s.Credentials.State
	}
	if s.Credentials.State == api.StateValid {
		text += " until " + s.Credentials.Expiration.Format(time.RFC3339)
	}
	return strings.Join(strings.Fields(strings.Join(append([]string{text}, s.Errors()...), "; ")), " ")
}
