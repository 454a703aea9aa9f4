package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

// questionOf tells the requests of caller.Engine from those of caller.Locator, in a form that counts and gates can name.
func questionOf(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case strings.HasSuffix(r.URL.Path, "/stats"):
		if query.Get("stream") == "false" && query.Get("one-shot") == "true" {
			return "?now"
		}
		return "?slow"
	case query.Get("all") == "true":
		var filters struct{ Label []string }
		if json.Unmarshal([]byte(query.Get("filters")), &filters) == nil && len(filters.Label) == 1 {
			return "?label=" + filters.Label[0]
		}
		return "?all"
	}
	return ""
}

func contextFor(b *bench, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.Context(), d)
}

// labelled needs mu. It is the list of all containers with a label, NAME=VALUE.
func (e *fakeEngine) labelled(label string) string {
	name, value, _ := strings.Cut(label, "=")
	list := []map[string]string{}
	for id, c := range e.containers {
		if c.labels[name] == value {
			list = append(list, map[string]string{"Id": id})
		}
	}
	text, _ := json.Marshal(list)
	return string(text)
}

// shop has a project of three containers, one of which has ended, and two others.
func shop(e *fakeEngine) {
	add := func(id, state string, started int, labels map[string]string) {
		e.containers[id] = fakeContainer{name: "n" + id, state: state, started: started, labels: labels}
	}
	const compose, podman = "com.docker.compose.project", "io.podman.compose.project"
	add("a", "", 3, map[string]string{compose: "shop", podman: "shop", "com.docker.compose.service": "web"})
	add("b", "exited", 1, map[string]string{compose: "shop"})
	add("c", "paused", 2, map[string]string{podman: "shop", "io.podman.compose.service": "db"})
	add("d", "", 4, map[string]string{compose: "other", podman: "shop"})
	add("e", "", 5, nil)
}

// group is what Group returns, as text.
func (b *bench) group(project string) string {
	b.Helper()
	all, err := b.Group(b.Context(), project)
	if err != nil {
		return "error: " + err.Error()
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

func TestRunning_IsWhatIsKnown(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		shop(e)
		c := web("172.18.0.2", "web", 6)
		c.networks["n2"] = fakeEndpoint{ip: "172.19.0.5", ip6: "fd00:2::5"}
		c.env = []string{"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/web-1", "PASSWORD=secret"}
		e.containers["f"] = c
	}, func(b *bench) {
		var got []string
		for _, r := range b.Running() {
			if r.Workload.ID != r.ID {
				b.Errorf("the workload of %s has id %s", r.ID, r.Workload.ID)
			}
			text := []string{r.ID, r.Project, r.Endpoint}
			for _, a := range r.Addrs {
				text = append(text, a.String())
			}
			got = append(got, strings.Join(text, ","))
		}
		want := []string{"f,,web-1,172.18.0.2,172.19.0.5,fd00:2::5", "e,,", "d,other,", "a,shop,", "c,shop,"}
		if diff := cmp.Diff(want, got); diff != "" {
			b.Error(diff)
		}
		if first, second := b.Running(), b.Running(); &first[0] != &second[0] {
			b.Error("each call makes a list")
		}
		b.engine.emit(containerEvent("die", "f"))
		synctest.Wait()
		if b.Running()[0].ID != "e" {
			b.Error("a container that has ended runs")
		}
	})
}

func TestRunning_IsEmptyAtFirst(t *testing.T) {
	inBubble(t, func(e *fakeEngine) { e.down = true }, func(b *bench) {
		if got := b.Running(); len(got) != 0 {
			b.Error(got)
		}
	})
}

func TestGroup_HasBothToolsContainersByCreation(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		for project, want := range map[string]string{"shop": "b c a", "other": "d", "none": "", "": "", "a\nb": ""} {
			if got := b.group(project); got != want {
				b.Errorf("%q has %q, want %q", project, got, want)
			}
		}
		c, err := b.Container(b.Context(), "c")
		if err != nil || c.Service != "db" || c.Project != "shop" || c.Name != "nc" || c.Status != "paused" {
			b.Errorf("%+v, %v", c, err)
		}
	})
}

func TestGroup_ContainerThatIsRemovedMeanwhileIsLeftOut(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		b.engine.set(func() { b.engine.status["/containers/c/json"] = 404 })
		if got := b.group("shop"); got != "b a" {
			b.Error(got)
		}
	})
}

func TestGroup_FailsAsAWhole(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		b.engine.set(func() { b.engine.status["/containers/c/json"] = 500 })
		const want = "error: /run/fake.sock: GET /v1.44/containers/c/json: 500 Internal Server Error, as the test wants; see the engine's log"
		if got := b.group("shop"); got != want {
			b.Error(got)
		}
	})
}

func TestContainer_IsFoundByItsFullIDOnly(t *testing.T) {
	inBubble(t, func(e *fakeEngine) {
		shop(e)
		e.alias = map[string]string{"web": "a"}
	}, func(b *bench) {
		for _, id := range []string{"web", "x", "", "../a", "a/json", "a?x"} {
			if c, err := b.Container(b.Context(), id); c != nil || err != nil {
				b.Errorf("%q is %+v, %v", id, c, err)
			}
		}
		if c, err := b.Container(b.Context(), "b"); err != nil || c.Status != "exited" {
			b.Errorf("%+v, %v", c, err)
		}
	})
}

func TestQuestions_EqualOnesOfASecondAreOne(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		const list = "/containers/json?label=com.docker.compose.project=shop"
		inspects := b.engine.count("/containers/a/json")
		release := b.engine.hold(list)
		for range 50 {
			go func() {
				if got := b.group("shop"); got != "b c a" {
					b.Error(got)
				}
			}()
		}
		synctest.Wait()
		release()
		synctest.Wait()
		time.Sleep(time.Second - time.Millisecond)
		_ = b.group("shop")
		if got := []int{b.engine.count(list), b.engine.count("/containers/a/json") - inspects}; !slices.Equal(got, []int{1, 1}) {
			b.Errorf("%d lists and inspects", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		b.engine.set(func() { delete(b.engine.containers, "a") })
		if got := b.group("shop"); got != "b c" {
			b.Errorf("a second later it is %s", got)
		}
	})
}

func TestQuestions_CallerThatGivesUpDoesNotFailOthers(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		b.engine.set(func() { b.engine.delay = 1500 * time.Millisecond })
		for range 2 {
			start := time.Now()
			ctx, cancel := contextFor(b, caller.Wait)
			defer cancel()
			if _, err := b.Container(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != caller.Wait {
				b.Errorf("%v after %v", err, time.Since(start))
				break
			}
			start = time.Now()
			c, err := b.Container(b.Context(), "a") // the answer to the first question
			if err != nil || c.ID != "a" || time.Since(start) != 600*time.Millisecond {
				b.Errorf("%v after %v", err, time.Since(start))
			}
			time.Sleep(remembered)
			synctest.Wait()
		}
	})
}

func TestQuestions_EngineThatHangsIsNamed(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		release := b.engine.hold("/containers/a/json")
		defer release()
		start := time.Now()
		_, err := b.Container(b.Context(), "a")
		if err == nil || err.Error() != "/run/fake.sock: no answer in time; see whether the engine hangs" || time.Since(start) != askTimeout {
			b.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestQuestions_EngineAwayFailsAtOnce(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		b.engine.stop()
		synctest.Wait()
		time.Sleep(time.Second)
		start := time.Now()
		for _, ask := range []func() error{
			func() error { _, err := b.Group(b.Context(), "shop"); return err },
			func() error { _, err := b.Container(b.Context(), "a"); return err },
			func() error { _, err := b.Stats(b.Context(), "a"); return err },
		} {
			if err := ask(); err == nil || err.Error() != refused {
				b.Error(err)
			}
		}
		if took := time.Since(start); took != 0 {
			b.Errorf("it took %v", took)
		}
		if got := len(b.Running()); got != 4 {
			b.Errorf("%d containers run", got)
		}
	})
}

func TestQuestions_EngineThatIsKnownToHangIsNotAsked(t *testing.T) {
	inBubble(t, shop, func(b *bench) {
		release := b.engine.hold("/_ping")
		time.Sleep(pingInterval + listTimeout)
		synctest.Wait()
		start, before := time.Now(), b.engine.count("/containers/a/json")
		_, err := b.Container(b.Context(), "a")
		if err == nil || err.Error() != b.Status().Error || time.Since(start) != 0 || b.engine.count("/containers/a/json") != before {
			b.Errorf("%v after %v", err, time.Since(start))
		}
		release()
	})
}

func TestQuestions_FloodDoesNotDelayANewContainer(t *testing.T) {
	inBubble(t, func(e *fakeEngine) { one(e); shop(e) }, func(b *bench) {
		var release []func()
		ctx, cancel := contextFor(b, caller.Wait)
		defer cancel()
		for i := range maxAnswers + 5 {
			id := fmt.Sprint("x", i)
			release = append(release, b.engine.hold("/containers/"+id+"/json"))
			go func() { _, _ = b.Container(ctx, id) }()
		}
		synctest.Wait()
		if b.engine.mostAtOnce > maxInspects+maxAsks {
			b.Errorf("%d requests at once", b.engine.mostAtOnce)
		}
		if _, err := b.Container(ctx, "a"); !errors.Is(err, errTooMany) {
			b.Errorf("one too many: %v", err)
		}
		b.engine.set(func() { b.engine.containers["n"] = web("172.18.0.7", "new", 9) })
		b.engine.emit(containerEvent("start", "n"))
		b.wantKnown("172.18.0.7", "new")
		for _, r := range release {
			r()
		}
		time.Sleep(askTimeout + remembered)
		synctest.Wait()
		if c, err := b.Container(b.Context(), "a"); err != nil || c == nil {
			b.Errorf("afterwards: %v", err)
		}
		b.asked.containers.mu.Lock()
		defer b.asked.containers.mu.Unlock()
		if got := len(b.asked.containers.answers); got != 1 {
			b.Errorf("%d answers are remembered", got)
		}
	})
}
