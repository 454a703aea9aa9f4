package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"

	"mock-ec2-metadata/internal/caller"
)

const (
	// maxAsks are the requests in flight that answer questions. They have no part in maxInspects: no flood of questions delays
	// the inspect of a container that has just started.
	maxAsks = 4
	// maxStats are those for statistics. Docker 20.10 takes up to a second for each, and as long for all of them at once.
	maxStats      = 16
	maxStatsBytes = 1 << 20
)

var _ caller.Engine = (*Locator)(nil)

// questions are what is known of the engine beyond the view.
type questions struct {
	groups     shared[[]*caller.Container] // by project
	containers shared[*caller.Container]   // by id
	stats      shared[*caller.Stats]       // by id
	samples    samples
}

// Running implements caller.Engine. The container that started last comes first. The slice is the same until the view changes.
func (l *Locator) Running() []caller.Running { return l.view.Load().running() }

// Group implements caller.Engine. A project of docker compose and one of podman-compose with the same name are one.
func (l *Locator) Group(ctx context.Context, project string) ([]*caller.Container, error) {
	if !isName(project) { // engines take an empty one for any
		return nil, nil
	}
	return question(ctx, l, &l.asked.groups, project, func(ctx context.Context, a *api) ([]*caller.Container, error) {
		return a.group(ctx, project)
	})
}

// Container implements caller.Engine. A name or a part of an id finds nothing.
func (l *Locator) Container(ctx context.Context, id string) (*caller.Container, error) {
	if !isID(id) {
		return nil, nil
	}
	return question(ctx, l, &l.asked.containers, id, func(ctx context.Context, a *api) (*caller.Container, error) {
		return a.details(ctx, id)
	})
}

// Stats implements caller.Engine. Without figures of at least half a second before, precpu_stats is empty, as the engine sent it.
// Figures that come too late for those who ask are for the next who does.
func (l *Locator) Stats(ctx context.Context, id string) (*caller.Stats, error) {
	c := l.view.Load().container(id)
	if c == nil {
		return nil, nil
	}
	return question(ctx, l, &l.asked.stats, id+" "+c.started.String(), func(ctx context.Context, a *api) (*caller.Stats, error) {
		f, err := a.stats(ctx, id)
		if f == nil || err != nil {
			return nil, err
		}
		f.now.started = c.started
		return f.since(l.asked.samples.swap(id, f.now)), nil
	})
}

// question asks the engine, or shares an answer. While the engine is away it fails at once.
func question[T any](ctx context.Context, l *Locator, answers *shared[T], key string, ask func(context.Context, *api) (T, error)) (T, error) {
	if s := l.Status(); !s.Connected {
		var none T
		return none, errors.New(s.Error)
	}
	return answers.get(ctx, key, func(ctx context.Context) (T, error) {
		value, err := ask(ctx, l.current.Load())
		if err != nil {
			err = errors.New(l.api.explain(err).String())
		}
		return value, err
	})
}

// ask is get for a question that takes one of slots. path is below the version, and may have a query.
func (a *api) ask(ctx context.Context, slots chan struct{}, path string, limit int64, document any) error {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return a.get(ctx, path, askTimeout, limit, document)
}

// group lists by each label, since filters cannot say "or". A container that is removed meanwhile is left out.
func (a *api) group(ctx context.Context, project string) ([]*caller.Container, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu     sync.Mutex // guards the rest
		seen   = map[string]bool{}
		found  []*caller.Container
		failed error // the first
		wg     sync.WaitGroup
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
		}
		cancel()
	}
	inspect := func(id string) {
		c, err := a.details(ctx, id)
		if err != nil {
			fail(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if c != nil && c.Project == project {
			found = append(found, c)
		}
	}
	for _, label := range projectLabels {
		wg.Go(func() {
			ids, err := a.labelled(ctx, label+"="+project)
			if err != nil {
				fail(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				if !seen[id] {
					seen[id] = true
					wg.Go(func() { inspect(id) })
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	slices.SortFunc(found, func(a, b *caller.Container) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

// labelled are the ids of all containers with a label, NAME=VALUE.
func (a *api) labelled(ctx context.Context, label string) ([]string, error) {
	filters, err := json.Marshal(map[string][]string{"label": {label}})
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID string `json:"Id"`
	}
	if err := a.ask(ctx, a.asks, "/containers/json?all=true&filters="+url.QueryEscape(string(filters)), maxListBytes, &list); err != nil {
		return nil, err
	}
	var ids []string
	for _, c := range list {
		if isID(c.ID) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// details returns nil if there is no such container.
func (a *api) details(ctx context.Context, id string) (*caller.Container, error) {
	var d wireDetails
	err := a.ask(ctx, a.asks, "/containers/"+id+"/json", maxOneBytes, &d)
	if absent(err) || err == nil && d.ID != id {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return d.container(), nil
}

// stats returns nil if the container does not run. Docker sends zeros then, Podman 4 nothing or 409.
func (a *api) stats(ctx context.Context, id string) (*figures, error) {
	var object json.RawMessage
	err := a.ask(ctx, a.statsAsks, "/containers/"+id+"/stats?stream=false&one-shot=true", maxStatsBytes, &object)
	if broken := (*url.Error)(nil); absent(err) || errors.Is(err, io.EOF) && !errors.As(err, &broken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseFigures(object)
}

// absent tells whether an engine said that a container does not exist or does not run.
func absent(err error) bool {
	refused := (*statusError)(nil)
	return errors.As(err, &refused) && (refused.code == http.StatusNotFound || refused.code == http.StatusConflict)
}

// container returns nil if no such container runs.
func (v *view) container(id string) *container {
	for _, c := range v.containers {
		if c.id == id {
			return c
		}
	}
	return nil
}

// listRunning is what Running returns.
func listRunning(all []*container) []caller.Running {
	list := make([]caller.Running, 0, len(all))
	for _, c := range all {
		var addrs []netip.Addr
		if len(c.endpoints) == 1 {
			addrs = c.endpoints[0].addrs // most have one network; no copy
		} else {
			addrs = addresses(c.endpoints)
		}
		list = append(list, caller.Running{ID: c.id, Workload: c.workload, Project: c.project, Endpoint: c.endpoint, Addrs: addrs})
	}
	return list
}
