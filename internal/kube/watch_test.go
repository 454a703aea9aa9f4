package kube

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
)

func TestWatch_ListComesInPages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.pageSize = 3
		for i := range 10 {
			f.put("pods", numbered(i))
		}
		l := start(t, f, nil)
		if got := l.Status().Pods; got != 10 {
			t.Errorf("%d pods, want 10", got)
		}
		if got := f.count("continue pods"); got != 3 {
			t.Errorf("%d further pages, want 3", got)
		}
		if got := l.Status(); got.Relists != 0 || !got.Heard.Equal(time.Now().Add(-got.WatchAge)) {
			t.Errorf("the status is %+v", got)
		}
	})
}

func TestWatch_ExpiredPageListsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.pageSize, f.expireContinue = 3, true
		for i := range 10 {
			f.put("pods", numbered(i))
		}
		l := start(t, f, nil)
		if got := l.Status(); got.Pods != 10 || !got.Synced || got.LastError != "" {
			t.Errorf("the status is %+v", got)
		}
		if got := f.count("list pods"); got != 2 {
			t.Errorf("%d lists, want 2", got)
		}
	})
}

func TestWatch_ExpiredVersionListsAnewWithoutAGapInAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, nil)
		first := l.want("10.0.0.2", "web", 0)
		f.expire("pods")
		for range 1000 { // through the pause before the list, and after it
			if l.want("10.0.0.2", "web", 0) != first {
				t.Fatal("there is another Workload")
			}
			time.Sleep(time.Millisecond)
		}
		if lists, watches := f.count("list pods"), f.count("watch pods"); lists != 2 || watches != 2 {
			t.Errorf("%d lists and %d watches, want 2 of each", lists, watches)
		}
		if got := l.Status().Relists; got != 1 {
			t.Errorf("%d lists again, want 1", got)
		}
		f.put("pods", newPod("next", "10.0.0.3"))
		synctest.Wait()
		l.want("10.0.0.3", "next", 0)
	})
}

func TestWatch_PodWhoseDeletedEventIsLostNeverDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("old", "10.0.0.2"))
		f.put("pods", newPod("stays", "10.0.0.3"))
		l := start(t, f, nil)
		l.want("10.0.0.2", "old", 0)
		f.remove("shop/old", true)
		f.expire("pods")
		time.Sleep(time.Second)
		l.want("10.0.0.3", "stays", 0)
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)

		f.put("pods", newPod("next", "10.0.0.2"))
		synctest.Wait()
		l.want("10.0.0.2", "next", 0)
		f.remove("shop/next", true)
		f.mu.Lock()
		f.objects["pods"]["shop/reused"] = newPod("reused", "10.0.0.2") // in the same list that next is gone from
		f.mu.Unlock()
		f.expire("pods")
		for range 1000 {
			w, err := l.Locate(t.Context(), netip.MustParseAddr("10.0.0.2"))
			if err != nil {
				t.Fatal(err)
			}
			if w.Pod.Name == "reused" {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("the address has not moved")
	})
}

func TestWatch_EventCutInHalfIsAskedForAgain(t *testing.T) {
	for _, name := range []string{"protobuf", "json"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFake()
				f.onlyJSON = name == "json"
				f.put("pods", newPod("web"))
				l := start(t, f, nil)
				f.cut(newPod("web", "10.0.0.2"))
				time.Sleep(5 * time.Second)
				l.want("10.0.0.2", "web", 0)
			})
		})
	}
}

func TestWatch_SilenceStartsAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, nil)
		time.Sleep(silence - time.Second)
		if got := f.count("watch pods"); got != 1 {
			t.Fatalf("%d watches, want 1", got)
		}
		if got := l.Status().WatchAge; got != silence-time.Second {
			t.Errorf("the watch is %v old", got)
		}
		time.Sleep(2 * time.Second)
		if got := f.count("watch pods"); got != 2 {
			t.Errorf("%d watches, want 2", got)
		}
		if got := f.count("list pods"); got != 1 {
			t.Errorf("%d lists, want 1", got)
		}
		l.want("10.0.0.2", "web", 0)
	})
}

func TestWatch_SilenceBeforeTheHeaderStartsAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.mute = true
		l := start(t, f, nil)
		f.set(func() { f.mute = false })
		f.put("pods", newPod("web", "10.0.0.2"))
		time.Sleep(silence + time.Second)
		l.want("10.0.0.2", "web", 0)
	})
}

func TestWatch_BookmarkCountsAsLife(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		l := start(t, f, nil)
		for range 10 {
			time.Sleep(time.Minute)
			f.bookmark()
			synctest.Wait()
			if got := l.Status().WatchAge; got != 0 {
				t.Errorf("the watch is %v old after a bookmark", got)
			}
		}
		if got := f.count("watch pods"); got != 1 {
			t.Errorf("%d watches, want 1", got)
		}
	})
}

func TestWatch_RotatedTokenIsUsedWithinAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		write := func(token string) {
			if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first")
		f := newFake()
		f.token = "first"
		l := start(t, f, func(o *Options) { o.API.BearerTokenFile = file })
		if !l.Status().Synced {
			t.Fatal("the first token is not used")
		}
		write("second")
		f.set(func() { f.token = "second" })
		f.expire("pods")
		f.put("pods", newPod("web", "10.0.0.2"))
		time.Sleep(time.Minute)
		l.want("10.0.0.2", "web", 0)
		if got := l.Status().LastError; got != "" {
			t.Errorf("the last error is %q", got)
		}
		if log := l.log.String(); strings.Contains(log, "first") || strings.Contains(log, "second") {
			t.Errorf("a token is logged: %s", log)
		}
	})
}

func TestWatch_KnownPodsAreServedWhileTheAPIIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, nil)
		first := l.want("10.0.0.2", "web", 0)
		time.Sleep(time.Minute) // after a shorter watch, the reflector lists
		f.set(func() { f.down = true })
		f.put("pods", newPod("new", "10.0.0.3"))
		time.Sleep(10 * time.Minute)
		if l.want("10.0.0.2", "web", 0) != first {
			t.Error("there is another Workload")
		}
		got := l.Status()
		if got.WatchAge != 11*time.Minute || !strings.HasPrefix(got.LastError, "pods: ") {
			t.Errorf("the status is %+v", got)
		}
		l.wantError("10.0.0.3", caller.ErrUnknown, waitOfTest)
		if log := l.log.String(); strings.Count(log, "kubernetes api cannot be asked") != 1 {
			t.Errorf("logged %s", log)
		}
		f.set(func() { f.down = false })
		time.Sleep(maxDelay)
		l.want("10.0.0.3", "new", 0)
		if got := l.Status().LastError; got != "" {
			t.Errorf("the last error is %q", got)
		}
	})
}

func TestWatch_StartWithoutTheAPIKnowsNoPod(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.down = true
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-web") })
		message := l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		if want := "the Kubernetes API has not told yet which pods run on this node; ask again"; message != want {
			t.Errorf("%q, want %q", message, want)
		}
		if got := l.Status(); got.Synced || got.WatchAge != -1 || got.LastError == "" {
			t.Errorf("the status is %+v", got)
		}
		f.set(func() { f.down = false })
		time.Sleep(maxDelay)
		l.want("10.0.0.2", "web", 0)
	})
}

func TestStatus_SaysWhichWaysWork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := start(t, newFake(), func(o *Options) { o.ProcOff = "hostPID is off" })
		if got := l.Status(); len(got.Find) != 1 || got.Find[0] != "watch" || got.Off != "hostPID is off" {
			t.Errorf("the status is %+v", got)
		}
	})
}
