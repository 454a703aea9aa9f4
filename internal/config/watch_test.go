package config

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deadline is how long a test waits for what must happen.
const deadline = 10 * time.Second

// watching is a Watch under test.
type watching struct {
	t *testing.T
	// changes has what was in the sentinel at each change.
	changes chan string
	// sentinel is watched too, to tell when the watcher has looked.
	sentinel string
	writes   int
}

// watch starts a Watch that ends with the test.
func watch(t *testing.T, files ...string) *watching {
	t.Helper()
	w := &watching{t: t, changes: make(chan string, 100), sentinel: write(t, "sentinel", "000")}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	must(t, Watch(t.Context(), log, append(files, w.sentinel), func() {
		data, _ := os.ReadFile(w.sentinel)
		w.changes <- string(data)
	}))
	return w
}

// noticed waits for a change.
func (w *watching) noticed(what string) {
	w.t.Helper()
	select {
	case <-w.changes:
	case <-time.After(deadline):
		w.t.Fatalf("%s: not noticed", what)
	}
}

// unnoticed gives the watcher something to notice after what must not be: the next change has to be that one.
func (w *watching) unnoticed(what string) {
	w.t.Helper()
	w.writes++
	want := fmt.Sprintf("%03d", w.writes)
	put(w.t, w.sentinel, want)
	select {
	case got := <-w.changes:
		if got != want {
			w.t.Fatalf("%s: noticed", what)
		}
	case <-time.After(deadline):
		w.t.Fatalf("the sentinel after %s: not noticed", what)
	}
}

// put writes in place and in one go. It does not truncate, so that nobody can see an empty file in between.
func put(t *testing.T, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteString(content)
	must(t, err)
	must(t, f.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchInPlace(t *testing.T) {
	path := write(t, "config.yaml", "a")
	w := watch(t, path)
	put(t, path, "b")
	w.noticed("a write")
	put(t, path, "c")
	w.noticed("another write")
	put(t, path, "c")
	put(t, path+".swp", "x")
	must(t, os.Chtimes(path, time.Now(), time.Now()))
	w.unnoticed("the same content, a neighbour, a time stamp")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("d")
	must(t, err)
	w.noticed("an append to a file that stays open")
	must(t, f.Close())
}

func TestWatchRename(t *testing.T) {
	path := write(t, "config.yaml", "a")
	w := watch(t, path)
	for _, content := range []string{"b", "c"} {
		put(t, path+".new", content)
		must(t, os.Rename(path+".new", path))
		w.noticed("a rename")
	}
	// As vim does: the old one away, a new one in its place.
	must(t, os.Rename(path, path+"~"))
	put(t, path, "d")
	w.noticed("a backup and a new file")
}

func TestWatchDeleteAndCreate(t *testing.T) {
	path := write(t, "config.yaml", "a")
	w := watch(t, path)
	must(t, os.Remove(path))
	w.noticed("a deletion")
	put(t, path, "a")
	w.noticed("a creation")
	put(t, path, "b")
	w.noticed("a write to the new file")
}

func TestWatchFileThatDoesNotExist(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "config.yaml")
	w := watch(t, path)
	must(t, os.Mkdir(filepath.Join(dir, "a"), 0o700))
	w.unnoticed("a directory")
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	w.unnoticed("the file's directory")
	put(t, path, "a")
	w.noticed("the file")
	put(t, path, "b")
	w.noticed("a write")

	must(t, os.RemoveAll(filepath.Join(dir, "a")))
	w.noticed("that all is gone")
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	put(t, path, "c")
	w.noticed("that all is back at once")
	put(t, path, "d")
	w.noticed("a write after that")
}

func TestWatchDirectoryReplaced(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	must(t, os.Mkdir(conf, 0o700))
	path := filepath.Join(conf, "config.yaml")
	put(t, path, "a")
	w := watch(t, path)
	must(t, os.Mkdir(conf+".new", 0o700))
	put(t, filepath.Join(conf+".new", "config.yaml"), "b")
	must(t, os.Rename(conf, conf+".old"))
	must(t, os.Rename(conf+".new", conf))
	w.noticed("another directory in its place")
	put(t, path, "c")
	w.noticed("a write in it")
}

// TestWatchConfigMap does as the kubelet: config.yaml -> ..data/config.yaml, ..data -> a directory per version, switched by
// renaming a new link over the old.
func TestWatchConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(name, content string) {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		put(t, filepath.Join(dir, name, "config.yaml"), content)
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "a")
	path := filepath.Join(dir, "config.yaml")
	must(t, os.Symlink(filepath.Join("..data", "config.yaml"), path))
	w := watch(t, path)
	version("..2", "b")
	w.noticed("a new version")
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	w.unnoticed("the old version's removal")
	version("..3", "b")
	w.unnoticed("a version with the same content")
	version("..4", "c")
	w.noticed("one more version")
}

func TestWatchLinksElsewhere(t *testing.T) {
	target := write(t, "target.yaml", "a")
	other := write(t, "other.yaml", "b")
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Dir(target), filepath.Join(dir, "link")))
	path := filepath.Join(dir, "config.yaml")
	// Behind a link, ".." is the directory above the link's target.
	must(t, os.Symlink("link/./../"+filepath.Base(filepath.Dir(target))+"/target.yaml", path))
	w := watch(t, path)
	put(t, target, "c")
	w.noticed("a write to the target")
	must(t, os.Remove(path))
	must(t, os.Symlink(other, path))
	w.noticed("another target")
	put(t, other, "d")
	w.noticed("a write to that")

	must(t, os.Remove(path))
	must(t, os.Symlink(path, path))
	w.noticed("a link to itself")
	must(t, os.Remove(path))
	put(t, path, "e")
	w.noticed("a file again")
}

func TestWatchRelativePathOutlivesWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	w := watch(t, DefaultFile)
	t.Chdir(t.TempDir())
	must(t, os.Mkdir(filepath.Join(dir, "conf"), 0o700))
	put(t, filepath.Join(dir, DefaultFile), "a")
	w.noticed("the default file")
}

// TestWatchMissesNothingAtTheStart changes a file as soon as Watch is back, many times.
func TestWatchMissesNothingAtTheStart(t *testing.T) {
	var noticed []chan struct{}
	for range 20 {
		path := write(t, "config.yaml", "before")
		changes := make(chan struct{}, 100)
		must(t, Watch(t.Context(), slog.New(slog.DiscardHandler), []string{path}, func() { changes <- struct{}{} }))
		put(t, path, "after!")
		noticed = append(noticed, changes)
	}
	for i, changes := range noticed {
		select {
		case <-changes:
		case <-time.After(deadline):
			t.Fatalf("attempt %d: not noticed", i)
		}
	}
}

func TestWatchGathersChangesAndNeverOverlaps(t *testing.T) {
	path := write(t, "config.yaml", "")
	running := make(chan struct{}, 1)
	latest := make(chan string, 1000)
	err := Watch(t.Context(), slog.New(slog.DiscardHandler), []string{path}, func() {
		select {
		case running <- struct{}{}:
		default:
			t.Error("called while running")
		}
		data, _ := os.ReadFile(path)
		latest <- string(data)
		<-running
	})
	must(t, err)
	for i := range 200 {
		put(t, path, strings.Repeat("x", i))
	}
	calls := 0
	for last := ""; len(last) != 199; calls++ {
		select {
		case last = <-latest:
		case <-time.After(deadline):
			t.Fatal("the last state was not noticed")
		}
	}
	if calls > 50 {
		t.Errorf("%d calls for 200 quick writes", calls)
	}
}

func TestWatchEndsWithContext(t *testing.T) {
	path := write(t, "config.yaml", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := make(chan struct{}, 100)
	must(t, Watch(ctx, slog.New(slog.DiscardHandler), []string{path}, func() { calls <- struct{}{} }))
	w := watch(t, path) // sees what the other one would
	put(t, path, "b")
	w.noticed("a write")
	if len(calls) > 0 {
		t.Error("called after the end")
	}
}

func TestWatchNothing(t *testing.T) {
	must(t, Watch(t.Context(), slog.New(slog.DiscardHandler), nil, func() {}))
}

// TestWatchDirectory has a directory of files that is made later, as ~/.aws/sso/cache is by the first login.
func TestWatchDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sso", "cache")
	w := watch(t, dir)
	must(t, os.MkdirAll(filepath.Join(dir, "below"), 0o700))
	w.noticed("made")
	put(t, filepath.Join(dir, "a.json"), "1")
	w.noticed("a file in it")
	put(t, filepath.Join(dir, "a.json"), "2")
	w.noticed("changed")
	put(t, filepath.Join(dir, "a.json"), "2")
	w.unnoticed("the same again")
	put(t, filepath.Join(dir, "below", "b.json"), "1")
	w.unnoticed("further down")
	must(t, os.Remove(filepath.Join(dir, "a.json")))
	w.noticed("removed")
}
