// Package filewatch tells when the content of files changes. It knows nothing of what is in them.
package filewatch

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
	// quiet is how long a directory must be free of events before the files are read again: writers truncate, write and
	// rename in quick succession.
	quiet = 100 * time.Millisecond
	// maxDelay is how long a directory with constant events can put that off.
	maxDelay = time.Second
)

// Watch calls changed soon after the content of one of the files changes, until ctx is done. Calls never overlap. A
// directory counts as the files in it. Watch notices files that are written in place, replaced by a rename, deleted,
// created later in a directory that does not exist yet, or reached through links that are switched, as in a Kubernetes
// ConfigMap. It notices every change after its return. Relative paths are resolved once, now. An error means that nothing
// is watched.
func Watch(ctx context.Context, log *slog.Logger, files []string, changed func()) error {
	w := &watcher{log: log, changed: changed}
	for _, f := range files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return fmt.Errorf("watching %s: %w", f, err)
		}
		w.files = append(w.files, abs)
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watching %s: %w", strings.Join(files, ", "), err)
	}
	if err := w.addWatches(); err != nil {
		_ = w.notify.Close()
		return err
	}
	w.sum = w.fingerprint()
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
	sum     [sha256.Size]byte // of the content that changed was last called for
}

// run waits for events until ctx is done.
func (w *watcher) run(ctx context.Context) {
	defer func() { _ = w.notify.Close() }()
	timer := time.NewTimer(quiet)
	timer.Stop()
	var first time.Time // of the events that no check has followed yet
	postpone := func() {
		if first.IsZero() {
			first = time.Now()
		}
		timer.Reset(min(quiet, max(0, maxDelay-time.Since(first))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.notify.Events:
			if !ok {
				return
			}
			postpone()
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("file watcher reported an error", "error", err)
			}
			postpone() // events may have been lost
		case <-timer.C:
			first = time.Time{}
			w.check(ctx)
		}
	}
}

// check compares the files with what they were.
func (w *watcher) check(ctx context.Context) {
	if err := w.addWatches(); err != nil {
		w.log.Warn("cannot watch files", "error", err, "hint", "reload with SIGHUP")
	}
	sum := w.fingerprint()
	if sum == w.sum || ctx.Err() != nil {
		return
	}
	w.sum = sum
	w.changed()
}

// addWatches watches the directories that decide about the files now. Links and directories may change between reading
// them and watching them, so it repeats until two readings agree.
func (w *watcher) addWatches() error {
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
			w.removeOthers(dirs)
			return nil
		}
	}
	return fmt.Errorf("watching %s: the directories keep changing", strings.Join(w.files, ", "))
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

// removeOthers ends the watches on all directories but these.
func (w *watcher) removeOthers(keep []string) {
	for _, dir := range w.notify.WatchList() {
		if !slices.Contains(keep, dir) {
			_ = w.notify.Remove(dir) // it may be gone, and the watch with it
		}
	}
}

// route lists the directories whose entries decide which file a path leads to. They are those that hold a link on the way
// and the one that holds the file. If the file does not exist, the last one is the deepest directory on the way that does.
// A path that leads to a directory adds that directory.
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

// fingerprint hashes the content of all files. A file that is missing or unreadable differs from an empty one.
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

// hashPath writes a file's content to h, or the names and contents of the files in a directory.
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

// hashFile writes a regular file's content to h. Opening anything else, such as a named pipe, could block.
func hashFile(h io.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path) //nolint:gosec // the caller names the file
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(h, f)
	return err
}
