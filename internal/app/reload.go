package app

import (
	"errors"
)

// Reload reads the configuration again and puts it in force. On an error the old one stays, and the log and /status say
// why. The parameter why is for the log.
func (a *App) Reload(why string) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	before := a.pool.Keepers()
	var old *State
	gone := "" // the role that was chosen
	err := a.change(func(in *Inputs) error {
		a.notify(reloading())
		old = a.State()
		loaded, err := in.Config.Reload()
		if err != nil {
			return err
		}
		if err := in.load(loaded, a.log, a.opt.Now, a.opt.Containers); err != nil {
			return err
		}
		if err := in.configure(old.Config.Config, a.opt.Now(), a.waiting); err != nil {
			return err
		}
		if _, there := loaded.Config.Roles[in.Choice]; !there {
			gone, in.Choice = in.Choice, ""
		}
		if in.Secret != old.Secret {
			in.Secret = in.Secret.Keep(a.log)
		}
		return nil
	})
	if errors.Is(err, errNotRunning) {
		return err
	}
	defer a.noteReload()
	a.reloadErr.Store(&err)
	if a.opt.Observer != nil {
		a.opt.Observer.Reloaded(err == nil)
	}
	if err != nil {
		a.log.Error("configuration not reloaded, the old one stays", "why", why, "error", err)
		return err
	}
	s := a.State()
	a.log.Info("configuration reloaded", "why", why, "config", s.Config.Name())
	a.logWarnings(s)
	if gone != "" {
		a.log.Warn("the chosen role is gone", "role", gone, "hint", "clients get the file's own credentials again")
	}
	for _, keeper := range before { // new ones are calling already
		keeper.Retry()
	}
	return nil
}

// RetryCredentials repeats calls for credentials that have failed, such as when what failed is there again.
func (a *App) RetryCredentials() { a.pool.Retry() }

// reloadError is why the last reload failed, nil when it succeeded or there was none.
func (a *App) reloadError() error {
	if err := a.reloadErr.Load(); err != nil {
		return *err
	}
	return nil
}
