package main

import (
	"context"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// tellManager tells the service manager, if one has started the process and wants to know (sd_notify(3)), that the daemon is
// ready, then how it is at each change, and at the end of ctx that it stops.
func (d *daemon) tellManager(ctx, background context.Context) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	changed := d.nextChange()
	d.notify(systemd.SdNotifyReady, d.statusLine())
	context.AfterFunc(ctx, func() { d.notify(systemd.SdNotifyStopping) })
	go func() {
		for {
			select {
			case <-background.Done():
				return
			case <-changed:
			case <-d.reloaded:
			}
			changed = d.nextChange() // before the look, so that none is missed
			d.notify(d.statusLine())
		}
	}()
}

// nextChange is closed when the state of the credentials changes, unless a reload changes it.
func (d *daemon) nextChange() <-chan struct{} {
	if keeper := d.current.Load().keeper; keeper != nil {
		return keeper.Ended()
	}
	return nil
}

// noteReload says that a reload has ended, well or not.
func (d *daemon) noteReload() {
	d.notify(systemd.SdNotifyReady)
	select {
	case d.reloaded <- struct{}{}:
	default: // it is about to be looked at
	}
}

// reloading says that a reload begins now.
func reloading() string {
	return systemd.SdNotifyReloading + "\n" + strings.TrimSpace(systemd.SdNotifyMonotonicUsec())
}

// notify sends the service manager a message, if it wants any.
func (d *daemon) notify(lines ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		d.log.Warn("the service manager cannot be told how the daemon is", "error", err)
	}
}

// statusLine is what systemctl status shows.
func (d *daemon) statusLine() string {
	s := d.status()
	text := "STATUS=serves " + describeInstance(s.InstanceID, s.Role, "")
	if s.Role != "" {
		text += ", credentials " + s.Credentials.State
	}
	if s.Credentials.State == "valid" {
		text += " until " + s.Credentials.Expiration.Format(time.RFC3339)
	}
	// One line, whatever the errors have.
	return strings.Join(strings.Fields(strings.Join(append([]string{text}, s.errors()...), "; ")), " ")
}
