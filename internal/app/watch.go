package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"mock-ec2-metadata/internal/filewatch"
	"mock-ec2-metadata/internal/sts"
)

// watch is a watch on a list of files that may change.
type watch struct {
	files []string
	end   context.CancelFunc
}

// on watches these files, and only then ends the watch on the files before, so that no change is missed. On an error the
// old watch goes on.
func (w *watch) on(ctx context.Context, log *slog.Logger, files []string, changed func()) error {
	if slices.Equal(files, w.files) {
		return nil
	}
	ctx, end := context.WithCancel(ctx)
	if err := filewatch.Watch(ctx, log, files, changed); err != nil {
		end()
		return err
	}
	if w.end != nil {
		w.end()
	}
	w.files, w.end = files, end
	return nil
}

// watchConfig watches the files of a configuration. It is called with a.mu held, while the daemon runs.
func (a *App) watchConfig(s *State) {
	a.unwatched(a.configWatch.on(a.running, a.log, s.Config.WatchFiles(), func() { _ = a.Reload("a file has changed") }))
}

// watchCredentials watches the files that the credentials of a state depend on. It is called with a.mu held, while the
// daemon runs.
func (a *App) watchCredentials(s *State) {
	profiles := map[string]bool{s.Config.Config.Credentials.SourceProfile: true}
	for _, role := range s.Config.Config.Roles {
		profiles[role.SourceProfile] = true
	}
	var files []string
	for _, profile := range slices.Sorted(maps.Keys(profiles)) {
		for _, file := range sts.Files(a.running, profile) {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	a.unwatched(a.credentialsWatch.on(a.running, a.log, files, a.credentialsChanged))
}

// credentialsChanged retries a failing call after an edit or a login. The files to watch may have changed with it. If the
// region depends on the profile and that has changed, it reloads the configuration. While the profile cannot be read, the
// region stays, so that valid credentials do, too.
func (a *App) credentialsChanged() {
	readable, changed := a.State().Config.ProfileState()
	if (changed || readable && a.reloadError() != nil) && a.Reload("a profile file has changed") == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return
	}
	s := a.State()
	a.watchCredentials(s)
	a.pool.Retry()
}

// unwatched logs why files are not watched.
func (a *App) unwatched(err error) {
	if err != nil {
		a.log.Warn("cannot watch configuration files", "error", err, "hint", "reload with SIGHUP")
	}
}
