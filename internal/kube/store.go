package kube

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"mock-ec2-metadata/internal/caller"
)

// newSources makes what is followed. The first source is that of pods.
func (l *Locator) newSources(api rest.Interface) []*source {
	keep := &keeper{node: l.opt.Node, names: l.opt.Annotations}
	all := []*source{{resource: "pods", selector: "spec.nodeName=" + l.opt.Node, keep: keep.pod, store: podStore{l}}}
	if kind := l.world.accounts; kind != nil {
		concerns := func(p *pod, name string) bool { return p.namespace.Value()+"/"+p.account.Value() == name }
		all = append(all, &source{resource: "serviceaccounts", metadata: true, keep: keep.metadata, store: annotationStore{l, kind, concerns}})
	}
	if kind := l.world.spaces; kind != nil {
		concerns := func(p *pod, name string) bool { return p.namespace.Value() == name }
		all = append(all, &source{resource: "namespaces", metadata: true, keep: keep.metadata, store: annotationStore{l, kind, concerns}})
	}
	for _, s := range all {
		s.api, s.log, s.now = api, l.opt.Log, l.opt.Now
	}
	return all
}

// change runs one change of the world, and tells about the Workloads that are new.
func (l *Locator) change(apply func(*world)) {
	l.mu.Lock()
	apply(l.world)
	bound := l.world.commit()
	l.witnesses.drop(l.world.ended)
	l.world.ended = nil
	l.mu.Unlock()
	l.tell(bound)
}

func (l *Locator) tell(bound []*caller.Workload) {
	if l.opt.Bound == nil {
		return
	}
	for _, w := range bound {
		l.opt.Bound(w)
	}
}

// podStore is what the reflector of pods writes to.
type podStore struct{ l *Locator }

var _ cache.ReflectorStore = podStore{}

// Add implements cache.ReflectorStore.
func (s podStore) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s podStore) Update(o any) error {
	kept, err := asObject(o)
	if err == nil {
		s.l.change(func(w *world) { w.put(kept.name(), kept.pod) })
	}
	return err
}

// Delete implements cache.ReflectorStore.
func (s podStore) Delete(o any) error {
	kept, err := asObject(o)
	if err == nil {
		s.l.change(func(w *world) {
			if p := w.names[kept.name()]; p != nil && p.uid == kept.pod.uid {
				w.put(kept.name(), nil)
			}
		})
	}
	return err
}

// Replace implements cache.ReflectorStore. Pods that are gone go with the same change by which others come.
func (s podStore) Replace(list []any, _ string) error {
	found := make(map[string]*pod, len(list))
	for _, o := range list {
		kept, err := asObject(o)
		if err != nil {
			return err
		}
		found[kept.name()] = kept.pod
	}
	s.l.change(func(w *world) {
		w.read = true
		for name := range w.names {
			if found[name] == nil {
				w.put(name, nil)
			}
		}
		for name, p := range found {
			w.put(name, p)
		}
	})
	return nil
}

// Resync implements cache.ReflectorStore.
func (podStore) Resync() error { return nil }

// annotationStore is what the reflectors of service accounts and namespaces write to.
type annotationStore struct {
	l        *Locator
	kind     *annotated
	concerns func(p *pod, name string) bool
}

var _ cache.ReflectorStore = annotationStore{}

// Add implements cache.ReflectorStore.
func (s annotationStore) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s annotationStore) Update(o any) error {
	return s.set(o, func(kept *object) { s.kind.all[kept.name()] = kept.annotations })
}

// Delete implements cache.ReflectorStore.
func (s annotationStore) Delete(o any) error {
	return s.set(o, func(kept *object) { delete(s.kind.all, kept.name()) })
}

func (s annotationStore) set(o any, apply func(*object)) error {
	kept, err := asObject(o)
	if err == nil {
		s.l.change(func(w *world) {
			apply(kept)
			w.refresh(func(p *pod) bool { return s.concerns(p, kept.name()) })
		})
	}
	return err
}

// Replace implements cache.ReflectorStore.
func (s annotationStore) Replace(list []any, _ string) error {
	found := make(map[string]map[string]string, len(list))
	for _, o := range list {
		kept, err := asObject(o)
		if err != nil {
			return err
		}
		found[kept.name()] = kept.annotations
	}
	s.l.change(func(w *world) {
		s.kind.all = found
		if s.kind.since.IsZero() {
			s.kind.since = w.now()
		}
		w.refresh(func(*pod) bool { return true })
	})
	return nil
}

// Resync implements cache.ReflectorStore.
func (annotationStore) Resync() error { return nil }

func asObject(o any) (*object, error) {
	if kept, ok := o.(*object); ok {
		return kept, nil
	}
	return nil, fmt.Errorf("kubernetes api: unexpected %T in a list", o)
}
