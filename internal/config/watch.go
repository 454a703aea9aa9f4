package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing may happen before the files are looked at: writers truncate, write and rename in quick
	// succession.
	quiet = 100 * time.Millisecond
	// restless is how long a directory that never comes to rest can put that off.
	restless = time.Second
)

// Watch calls changed (never concurrently) soon after the content of one of the files changes, until ctx is done. What is
// a directory counts as the files in it. A file
// may be written in place, replaced by renaming, deleted, made later in a directory that does not exist yet, or be
// reached through links that are switched, as in a Kubernetes ConfigMap. Nothing that happens after Watch has returned is
// missed.
func Watch(ctx context.Context, log *slog.Logger, files []string, changed func()) error {
	w := &watcher{log: log, changed: changed}
	for _, f := range files {
		abs, err := filepath.Abs(f) // the working directory may change later
		if err != nil {
			return fmt.Errorf("watching %s: %w", f, err)
		}
		w.files = append(w.files, abs)
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watching %s: %w", strings.Join(files, ", "), err)
	}
	if err := w.establish(); err != nil {
		_ = w.notify.Close()
		return err
	}
	w.seen = w.fingerprint()
	go w.run(ctx)
	return nil
}

// watcher watches the directories that the files are in, because a watch on a file stays with the file when another one
// takes its name.
type watcher struct {
	log     *slog.Logger
	changed func()
	files   []string // absolute
	notify  *fsnotify.Watcher
	seen    [sha256.Size]byte
}

// run waits for events until ctx is done.
func (w *watcher) run(ctx context.Context) {
	defer func() { _ = w.notify.Close() }()
	timer := time.NewTimer(quiet)
	timer.Stop()
	var since time.Time // of the first event that has not been looked into yet
	disturbed := func() {
		if since.IsZero() {
			since = time.Now()
		}
		timer.Reset(min(quiet, max(0, restless-time.Since(since))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.notify.Events:
			if !ok {
				return
			}
			disturbed()
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("watching files", "error", err)
			}
			disturbed() // events may have been lost
		case <-timer.C:
			since = time.Time{}
			w.look(ctx)
		}
	}
}

// look compares the files with what they were.
func (w *watcher) look(ctx context.Context) {
	if err := w.establish(); err != nil {
		w.log.Warn("changes of files may go unnoticed until the next restart", "error", err)
	}
	now := w.fingerprint()
	if now == w.seen || ctx.Err() != nil {
		return
	}
	w.seen = now
	w.changed()
}

// establish makes the watches what the file system asks for now. Links and directories may change between looking and
// watching, so it looks again until nothing has.
func (w *watcher) establish() error {
	const attempts = 100
	for range attempts {
		dirs, gone := w.directories(), false
		for _, dir := range dirs {
			// Also for one that is watched already: another directory may have its name by now.
			switch err := w.notify.Add(dir); {
			case errors.Is(err, fs.ErrNotExist):
				gone = true
			case err != nil:
				return fmt.Errorf("watching %s: %w", dir, err)
			}
		}
		if !gone && slices.Equal(dirs, w.directories()) {
			w.release(dirs)
			return nil
		}
	}
	return fmt.Errorf("watching %s: the directories never come to rest", strings.Join(w.files, ", "))
}

// directories are those to watch for all files.
func (w *watcher) directories() []string {
	var dirs []string
	for _, f := range w.files {
		dirs = append(dirs, route(f)...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// release ends the watches on all other directories.
func (w *watcher) release(keep []string) {
	for _, dir := range w.notify.WatchList() {
		if !slices.Contains(keep, dir) {
			_ = w.notify.Remove(dir) // it may be gone, and the watch with it
		}
	}
}

// route lists the directories whose entries decide which file a path leads to: those with a link on the way, and the one
// with the file, or, if that does not exist yet, the last one on the way there that does. A path that leads to a directory
// has that one beside.
func route(path string) []string {
	const maxLinks = 40 // as Linux has it
	root := filepath.VolumeName(path) + string(filepath.Separator)
	var dirs []string
	at, rest := root, parts(path)
	for links := 0; len(rest) > 0; {
		entry := filepath.Join(at, rest[0]) // at has no links in it, so ".." is the directory above
		info, err := os.Lstat(entry)
		switch {
		case err != nil:
			return append(dirs, at)
		case info.Mode()&fs.ModeSymlink != 0:
			dirs = append(dirs, at)
			target, err := os.Readlink(entry)
			if links++; err != nil || links > maxLinks {
				return dirs
			}
			if filepath.IsAbs(target) {
				at = root
			}
			rest = append(parts(target), rest[1:]...)
		case !info.IsDir():
			return append(dirs, at)
		case len(rest) == 1:
			return append(dirs, at, entry)
		default:
			at, rest = entry, rest[1:]
		}
	}
	return append(dirs, at)
}

// parts are the names between the slashes of a path.
func parts(path string) []string {
	path = strings.TrimPrefix(path, filepath.VolumeName(path))
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == filepath.Separator })
}

// fingerprint sums up what the files hold. One that is missing or cannot be read differs from an empty one.
func (w *watcher) fingerprint() (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, f := range w.files {
		one := sha256.New()
		state := "read"
		if err := hashPath(one, f); err != nil {
			state = "unreadable"
			one.Reset()
		}
		fmt.Fprintf(all, "%s %x\n", state, one.Sum(nil))
	}
	all.Sum(sum[:0])
	return sum
}

// hashPath writes to h what a file holds, or what the files in a directory do.
func hashPath(h io.Writer, path string) error {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return hashFile(h, path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		fmt.Fprintf(h, "%q\n", e.Name())
		if err := hashFile(h, filepath.Join(path, e.Name())); err != nil {
			fmt.Fprintln(h, "unreadable")
		}
	}
	return nil
}

// hashFile writes a regular file's content to h.
func hashFile(h io.Writer, path string) error {
	f, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(h, f)
	return err
}
