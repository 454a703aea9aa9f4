package filewatch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// deadline is how long a test waits for a call that must come.
const deadline = 10 * time.Second

// watching is a Watch under test.
type watching struct {
	t *testing.T
	// changes has the content of the sentinel at each call.
	changes chan string
	// sentinel is watched too: the call for its change proves that the watcher has processed what came before.
	sentinel string
	writes   int
}

// watch starts a Watch that ends with the test.
func watch(t *testing.T, files ...string) *watching {
	t.Helper()
	w := &watching{t: t, changes: make(chan string, 100), sentinel: testutil.WriteTemp(t, "sentinel", "000")}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	must(t, Watch(t.Context(), log, append(files, w.sentinel), func() {
		data, _ := os.ReadFile(w.sentinel)
		w.changes <- string(data)
	}))
	return w
}

// expectCall waits for a call.
func (w *watching) expectCall(after string) {
	w.t.Helper()
	select {
	case <-w.changes:
	case <-time.After(deadline):
		w.t.Fatalf("no call after %s", after)
	}
}

// expectNoCall changes the sentinel: the next call must be for that change.
func (w *watching) expectNoCall(after string) {
	w.t.Helper()
	w.writes++
	want := fmt.Sprintf("%03d", w.writes)
	put(w.t, w.sentinel, want)
	select {
	case got := <-w.changes:
		if got != want {
			w.t.Fatalf("a call after %s", after)
		}
	case <-time.After(deadline):
		w.t.Fatalf("no call for the sentinel after %s", after)
	}
}

// put writes in place with one write. It does not truncate, so the file is never empty in between.
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

func TestWatch_NoticesWritesInPlace(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "a")
	w := watch(t, path)
	put(t, path, "b")
	w.expectCall("a write")
	put(t, path, "c")
	w.expectCall("a second write")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("d")
	must(t, err)
	w.expectCall("an append to a file that stays open")
	must(t, f.Close())
}

func TestWatch_IgnoresEventsThatKeepTheContent(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "a")
	w := watch(t, path)
	put(t, path, "a")
	w.expectNoCall("a write of the same content")
	put(t, path+".swp", "x")
	w.expectNoCall("a write to another file in the directory")
	must(t, os.Chtimes(path, time.Now(), time.Now()))
	w.expectNoCall("a change of the time stamp")
}

func TestWatch_NoticesReplacementByRename(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "a")
	w := watch(t, path)
	for _, content := range []string{"b", "c"} {
		put(t, path+".new", content)
		must(t, os.Rename(path+".new", path))
		w.expectCall("a rename over the file")
	}
	// As vim does: it renames the old file and creates a new one.
	must(t, os.Rename(path, path+"~"))
	put(t, path, "d")
	w.expectCall("a backup and a new file")
}

func TestWatch_NoticesDeletionAndCreation(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "a")
	w := watch(t, path)
	must(t, os.Remove(path))
	w.expectCall("a deletion")
	put(t, path, "a")
	w.expectCall("a creation")
	put(t, path, "b")
	w.expectCall("a write to the new file")
}

func TestWatch_NoticesFileInDirectoryMadeLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "config.yaml")
	w := watch(t, path)
	must(t, os.Mkdir(filepath.Join(dir, "a"), 0o700))
	w.expectNoCall("the creation of the upper directory")
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	w.expectNoCall("the creation of the file's directory")
	put(t, path, "a")
	w.expectCall("the creation of the file")
	put(t, path, "b")
	w.expectCall("a write")

	must(t, os.RemoveAll(filepath.Join(dir, "a")))
	w.expectCall("the deletion of all directories")
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	put(t, path, "c")
	w.expectCall("the creation of all at once")
	put(t, path, "d")
	w.expectCall("a write after that")
}

func TestWatch_FollowsReplacedDirectory(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "conf")
	path := testutil.Write(t, filepath.Join(conf, "config.yaml"), "a")
	w := watch(t, path)
	testutil.Write(t, filepath.Join(conf+".new", "config.yaml"), "b")
	must(t, os.Rename(conf, conf+".old"))
	must(t, os.Rename(conf+".new", conf))
	w.expectCall("the exchange of the directory")
	put(t, path, "c")
	w.expectCall("a write in the new directory")
}

// The kubelet links config.yaml to ..data/config.yaml and ..data to a directory per version. It renames a new link over
// the old one.
func TestWatch_FollowsKubernetesConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(name, content string) {
		testutil.Write(t, filepath.Join(dir, name, "config.yaml"), content)
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "a")
	path := filepath.Join(dir, "config.yaml")
	must(t, os.Symlink(filepath.Join("..data", "config.yaml"), path))
	w := watch(t, path)
	version("..2", "b")
	w.expectCall("a new version")
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	w.expectNoCall("the removal of the old version")
	version("..3", "b")
	w.expectNoCall("a version with the same content")
	version("..4", "c")
	w.expectCall("one more version")
}

func TestWatch_FollowsSwitchedLinks(t *testing.T) {
	target := testutil.WriteTemp(t, "target.yaml", "a")
	other := testutil.WriteTemp(t, "other.yaml", "b")
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Dir(target), filepath.Join(dir, "link")))
	path := filepath.Join(dir, "config.yaml")
	// Behind a link, ".." is the directory above the link's target.
	must(t, os.Symlink("link/./../"+filepath.Base(filepath.Dir(target))+"/target.yaml", path))
	w := watch(t, path)
	put(t, target, "c")
	w.expectCall("a write to the target")
	must(t, os.Remove(path))
	must(t, os.Symlink(other, path))
	w.expectCall("a link to another target")
	put(t, other, "d")
	w.expectCall("a write to that target")

	must(t, os.Remove(path))
	must(t, os.Symlink(path, path))
	w.expectCall("a link to itself")
	must(t, os.Remove(path))
	put(t, path, "e")
	w.expectCall("a file in place of the link")
}

func TestWatch_ResolvesRelativePathsOnce(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	w := watch(t, "conf/config.yaml")
	t.Chdir(t.TempDir())
	testutil.Write(t, filepath.Join(dir, "conf/config.yaml"), "a")
	w.expectCall("the creation of the file after a change of the working directory")
}

func TestWatch_NoticesChangesRightAfterItsReturn(t *testing.T) {
	var calls []chan struct{}
	for range 20 {
		path := testutil.WriteTemp(t, "config.yaml", "before")
		changes := make(chan struct{}, 100)
		must(t, Watch(t.Context(), slog.New(slog.DiscardHandler), []string{path}, func() { changes <- struct{}{} }))
		put(t, path, "after!")
		calls = append(calls, changes)
	}
	for i, changes := range calls {
		select {
		case <-changes:
		case <-time.After(deadline):
			t.Fatalf("attempt %d: no call", i)
		}
	}
}

func TestWatch_CombinesChangesAndNeverOverlapsCalls(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "")
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
			t.Fatal("no call for the last state")
		}
	}
	if calls > 50 {
		t.Errorf("%d calls for 200 quick writes", calls)
	}
}

func TestWatch_EndsWithContext(t *testing.T) {
	path := testutil.WriteTemp(t, "config.yaml", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := make(chan struct{}, 100)
	must(t, Watch(ctx, slog.New(slog.DiscardHandler), []string{path}, func() { calls <- struct{}{} }))
	w := watch(t, path) // sees what the first one would
	put(t, path, "b")
	w.expectCall("a write")
	if len(calls) > 0 {
		t.Error("called after the end of the context")
	}
}

func TestWatch_AcceptsNoFiles(t *testing.T) {
	must(t, Watch(t.Context(), slog.New(slog.DiscardHandler), nil, func() {}))
}

// The first SSO login creates ~/.aws/sso/cache.
func TestWatch_NoticesChangesInDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sso", "cache")
	w := watch(t, dir)
	must(t, os.MkdirAll(filepath.Join(dir, "below"), 0o700))
	w.expectCall("the creation of the directory")
	put(t, filepath.Join(dir, "a.json"), "1")
	w.expectCall("the creation of a file")
	put(t, filepath.Join(dir, "a.json"), "2")
	w.expectCall("a write")
	put(t, filepath.Join(dir, "a.json"), "2")
	w.expectNoCall("a write of the same content")
	put(t, filepath.Join(dir, "below", "b.json"), "1")
	w.expectNoCall("a write in a subdirectory")
	must(t, os.Remove(filepath.Join(dir, "a.json")))
	w.expectCall("a deletion")
}
