package kube

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"mock-ec2-metadata/internal/caller"
)

const (
	// overdue is how long a pod that is being deleted may outlive its grace before it yields its address to another.
	overdue = 30 * time.Second
	// patience is how long a pod waits for the annotations of its account and namespace. They exist before the pod does, but come by
	// watches of their own. A pod must not get a default role only because they are late; later, they are taken to be deleted.
	patience = 5 * time.Second
)

// world is what is known of pods. The Locator's lock guards it. A change is prepared by put and refresh, and ends with commit.
type world struct {
	index    *index
	byWatch  bool // the API's addresses decide; else Proc alone does
	now      func() time.Time
	accounts *annotated // by namespace/name; nil: not watched
	spaces   *annotated // namespaces, by name; nil: not watched

	read   bool            // the first list of pods has come
	pods   map[string]*pod // by UID
	names  map[string]*pod // by namespace/name
	hashes map[string]*pod // static pods by their hash, unless several pods name it
	claims map[netip.Addr][]*pod
	// learned are UIDs that Proc has named for addresses, until the API says who has them, or that the pod has not.
	learned map[netip.Addr]string
	next    chan struct{} // closed at the next change

	touched map[netip.Addr]bool // by the change that is being prepared
	bound   []*caller.Workload  // new ones of it
	ended   []string            // UIDs of pods that count no more since it
}

// annotated are the annotations of all objects of a kind, nil for those without one that counts.
type annotated struct {
	since time.Time // of the first list; zero before
	all   map[string]map[string]string
}

func newWorld(o *Options, x *index) *world {
	w := &world{
		index: x, byWatch: slices.Contains(o.Find, findWatch), now: o.Now,
		pods: map[string]*pod{}, names: map[string]*pod{}, hashes: map[string]*pod{}, claims: map[netip.Addr][]*pod{}, learned: map[netip.Addr]string{},
		next: make(chan struct{}), touched: map[netip.Addr]bool{},
	}
	if o.Accounts {
		w.accounts = &annotated{all: map[string]map[string]string{}}
	}
	if o.Namespaces {
		w.spaces = &annotated{all: map[string]map[string]string{}}
	}
	return w
}

// synced tells whether each first list has come.
func (w *world) synced() bool {
	return w.read && (w.accounts == nil || !w.accounts.since.IsZero()) && (w.spaces == nil || !w.spaces.since.IsZero())
}

// put notes what a pod is like now; nil is that it is gone.
func (w *world) put(name string, p *pod) {
	old := w.names[name]
	if old != nil && p != nil && old.uid == p.uid {
		p.seen, p.workload, p.visible = old.seen, old.workload, old.visible
	}
	if old == nil || p == nil || !old.sameClaim(p) {
		w.claim(old, p)
	}
	if old != nil {
		delete(w.pods, old.uid)
		delete(w.names, name)
		if old.hash != "" {
			w.rehash(old.hash)
		}
	}
	if p != nil {
		if p.seen.IsZero() {
			p.seen = w.now()
		}
		w.pods[p.uid], w.names[name] = p, p
		if p.hash != "" {
			w.rehash(p.hash)
		}
		w.settle(p)
	}
	if old != nil {
		w.unlearn(old.uid)
		if now := w.pods[old.uid]; now == nil || !now.live() {
			w.ended = append(w.ended, old.uid)
		}
	}
	if p != nil { // the claims hold the pod as it is now
		for _, a := range p.claims() {
			w.claims[a] = append(slices.DeleteFunc(w.claims[a], func(q *pod) bool { return q == old }), p)
		}
	}
}

// rehash finds the pod of a hash anew. Any pod may have the annotation, so a hash that several pods name counts for none.
func (w *world) rehash(hash string) {
	delete(w.hashes, hash)
	found := 0
	for _, p := range w.pods {
		if p.hash == hash && p.live() {
			w.hashes[hash] = p
			found++
		}
	}
	if found > 1 {
		delete(w.hashes, hash)
	}
}

// uidOf is the UID in the API of the pod that the kernel knows by this one.
func (w *world) uidOf(uid string) string {
	if p := w.hashes[uid]; p != nil && w.pods[uid] == nil {
		return p.uid
	}
	return uid
}

// claim takes old's claims away, and forgets what Proc has said about the addresses of either: the API speaks now.
func (w *world) claim(old, p *pod) {
	if old != nil {
		for _, a := range old.claims() {
			w.claims[a] = slices.DeleteFunc(w.claims[a], func(q *pod) bool { return q == old })
			if len(w.claims[a]) == 0 {
				delete(w.claims, a)
			}
			w.touched[a] = true
			delete(w.learned, a)
		}
	}
	if p != nil {
		for _, a := range p.claims() {
			w.touched[a] = true
			delete(w.learned, a)
		}
	}
}

// unlearn forgets the addresses that Proc has named for a pod, if it cannot have them any more.
func (w *world) unlearn(uid string) {
	for a, learned := range w.learned {
		if learned == uid && !w.mayHave(uid, a) {
			delete(w.learned, a)
			w.touched[a] = true
		}
	}
}

// mayHave tells whether what the API knows of a pod allows that it has an address.
func (w *world) mayHave(uid string, a netip.Addr) bool {
	p := w.pods[uid]
	return p != nil && p.live() && !p.hostNetwork && (len(p.addresses) == 0 || p.has(a))
}

// ofKernel returns the UID that the API has for one of the kernel. The two differ for static pods alone. If two pods say that they are
// that one, neither is.
func (w *world) ofKernel(uid string) string {
	if w.pods[uid] != nil {
		return uid
	}
	of := uid
	for _, p := range w.pods {
		if p.static == uid && p.live() {
			if of != uid {
				return uid
			}
			of = p.uid
		}
	}
	return of
}

// learn takes Proc's answer, if the API allows it and does not know better.
func (w *world) learn(uid string, a netip.Addr) bool {
	if !w.mayHave(uid, a) || w.learned[a] == uid {
		return false
	}
	if p, _ := w.decide(a); p != nil {
		return false
	}
	w.learned[a] = uid
	w.touched[a] = true
	return true
}

// decide returns the pod that has an address; nil if there is none, or if several may have it: then it returns those.
func (w *world) decide(a netip.Addr) (*pod, []*pod) {
	if uid, ok := w.learned[a]; ok {
		return w.pods[uid], nil
	}
	if !w.byWatch {
		return nil, nil
	}
	claims := w.claims[a]
	if len(claims) > 1 {
		now := w.now()
		claims = slices.DeleteFunc(slices.Clone(claims), func(p *pod) bool { return !p.gone.IsZero() && now.Sub(p.gone) >= overdue })
		if len(claims) == 0 {
			claims = slices.Clone(w.claims[a]) // it is read without the lock
		}
	}
	switch len(claims) {
	case 0:
		return nil, nil
	case 1:
		return claims[0], nil
	}
	last := slices.MaxFunc(claims, func(p, q *pod) int { return p.started.Compare(q.started) })
	for _, p := range claims {
		if p != last && (p.gone.IsZero() || !p.started.Before(last.started)) {
			return nil, claims
		}
	}
	return last, nil
}

// settle gives a pod its Workload, once all that it is made of is known. It stays the same while nothing of it changes.
func (w *world) settle(p *pod) {
	namespace, account := p.namespace.Value(), p.account.Value()
	ofAccount, ok := w.accounts.of(namespace+"/"+account, p.seen, w.now())
	if account == "" {
		ofAccount, ok = nil, true
	}
	ofSpace, known := w.spaces.of(namespace, p.seen, w.now())
	if !ok || !known {
		return
	}
	if old := p.workload; old != nil && old.Pod.ServiceAccount == account && maps.Equal(old.Pod.Annotations, p.annotations) &&
		maps.Equal(old.Pod.AccountAnnotations, ofAccount) && maps.Equal(old.Pod.NamespaceAnnotations, ofSpace) {
		p.annotations = old.Pod.Annotations // one copy is enough
		return
	}
	made := &caller.Pod{
		UID: p.uid, Namespace: namespace, Name: p.name, ServiceAccount: account,
		Annotations: p.annotations, AccountAnnotations: ofAccount, NamespaceAnnotations: ofSpace,
	}
	p.workload = &caller.Workload{Name: made.String(), Pod: made}
	for _, a := range p.claims() {
		w.touched[a] = true
	}
	for a, uid := range w.learned {
		if uid == p.uid {
			w.touched[a] = true
		}
	}
	if p.live() && !p.hostNetwork {
		w.bound = append(w.bound, p.workload)
	}
}

// refresh settles the pods that are picked.
func (w *world) refresh(picked func(*pod) bool) {
	for _, p := range w.pods {
		if picked(p) {
			w.settle(p)
		}
	}
}

// commit changes the index, wakes those who wait, and returns the Workloads that are new.
func (w *world) commit() []*caller.Workload {
	changes := make(map[netip.Addr]*caller.Workload, len(w.touched))
	for a := range w.touched {
		changes[a] = nil
		if p, _ := w.decide(a); p != nil {
			changes[a] = p.workload
		}
	}
	w.index.apply(changes)
	clear(w.touched)
	close(w.next)
	w.next = make(chan struct{})
	bound := w.bound
	w.bound = nil
	return bound
}

// of returns the annotations of an object, and whether they are known to be these. A nil a is a kind that is not watched.
func (a *annotated) of(name string, seen, now time.Time) (map[string]string, bool) {
	if a == nil {
		return nil, true
	}
	found, ok := a.all[name]
	if ok {
		return found, true
	}
	if a.since.After(seen) {
		seen = a.since
	}
	return nil, !a.since.IsZero() && now.Sub(seen) >= patience
}
