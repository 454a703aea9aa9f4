package main

import (
	"context"
	"log/slog"
	"slices"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/filewatch"
)

// watch is a watch on files that may become other ones.
type watch struct {
	files []string
	end   context.CancelFunc
}

// on begins to watch these files, and then ends the watch on others: in between, nothing is missed. When that fails the
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

// watchConfig watches the files of the configuration in use, which a reload may change. It is called with d.mu held.
func (d *daemon) watchConfig(ctx context.Context) {
	files := d.current.Load().loaded.WatchFiles()
	d.unnoticed(d.configWatch.on(ctx, d.log, files, func() { d.reload(ctx, "a file has changed") }))
}

// watchProfile watches what the profile's credentials hang on. It is called with d.mu held.
func (d *daemon) watchProfile(ctx context.Context, profile string) {
	d.unnoticed(d.profileWatch.on(ctx, d.log, credentials.Files(ctx, profile), func() { d.profileChanged(ctx) }))
}

// profileChanged hurries a failing keeper, after an edit or a login. What is to be watched may have changed with it.
func (d *daemon) profileChanged(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.current.Load()
	d.watchProfile(ctx, g.loaded.Config.Credentials.SourceProfile)
	if g.keeper != nil {
		g.keeper.Retry()
	}
}

// unnoticed logs why files are not watched.
func (d *daemon) unnoticed(err error) {
	if err != nil {
		d.log.Warn("changes of files are not noticed; send SIGHUP to reload", "error", err)
	}
}
