package kube

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// fakeAPI is an API server with pods, service accounts, namespaces, nodes and events. Its fields are set before it is asked, or under
// its lock by its methods.
type fakeAPI struct {
	mu        sync.Mutex
	version   int
	objects   map[string]map[string]runtime.Object // by resource, then namespace/name
	history   map[string][]change                  // by resource, since the last compact
	compacted int                                  // the last version that no watch may start from
	changed   chan struct{}                        // closed at each change
	requests  []string                             // "list pods", "watch pods", "continue pods", "create events"

	token          string // the only one that is allowed; "" allows all
	down           bool   // refuses connections
	expireContinue bool   // the next continue token has expired
	watchList      bool   // the server's feature
	onlyJSON       bool   // it speaks no protobuf
	forbidEvents   bool
	mute           bool // watches get no header
	pageSize       int  // the server's limit; 0 is the client's
}

// change is one event of watches. If it is cut, the first watch gets half of it, and ends.
type change struct {
	version int
	event   watch.EventType
	object  runtime.Object
	cut     bool
}

func newFake() *fakeAPI {
	return &fakeAPI{
		objects: map[string]map[string]runtime.Object{"pods": {}, "serviceaccounts": {}, "namespaces": {}, "nodes": {}, "events": {}},
		history: map[string][]change{}, changed: make(chan struct{}), version: 1,
	}
}

func key(o runtime.Object) string {
	m, _ := meta.Accessor(o)
	return m.GetNamespace() + "/" + m.GetName()
}

// put adds or changes an object.
func (f *fakeAPI) put(resource string, o runtime.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	event := watch.Added
	if f.objects[resource][key(o)] != nil {
		event = watch.Modified
	}
	o = o.DeepCopyObject()
	f.record(resource, event, o, false)
	f.objects[resource][key(o)] = o
}

// record notes a change under the lock.
func (f *fakeAPI) record(resource string, event watch.EventType, o runtime.Object, cut bool) {
	f.version++
	if m, err := meta.Accessor(o); err == nil {
		m.SetResourceVersion(strconv.Itoa(f.version))
	}
	f.history[resource] = append(f.history[resource], change{f.version, event, o, cut})
	close(f.changed)
	f.changed = make(chan struct{})
}

// remove deletes a pod; if that is silent, no watch gets an event.
func (f *fakeAPI) remove(name string, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["pods"][name].DeepCopyObject()
	delete(f.objects["pods"], name)
	if !silent {
		f.record("pods", watch.Deleted, o, false)
	}
}

// bookmark sends one to the watches of pods.
func (f *fakeAPI) bookmark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record("pods", watch.Bookmark, &corev1.Pod{}, false)
}

// cut changes a pod, but watches get half of the event, and end.
func (f *fakeAPI) cut(p *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p = p.DeepCopy()
	f.record("pods", watch.Modified, p, true)
	f.objects["pods"][key(p)] = p
}

// expire makes all watches fail with 410, and all versions until now too old.
func (f *fakeAPI) expire(resource string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record(resource, watch.Error, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired,
	}, false)
	f.compacted = f.version
}

// set changes a setting, and ends all watches if the server goes down.
func (f *fakeAPI) set(apply func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	apply()
	close(f.changed)
	f.changed = make(chan struct{})
}

// count is how many requests of a kind have come, such as "watch pods".
func (f *fakeAPI) count(request string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r == request {
			n++
		}
	}
	return n
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	token, down := f.token, f.down
	f.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		f.fail(w, r, apierrors.NewUnauthorized("the token has expired"))
		return
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost:
		f.create(w, r, path[2])
	case len(path) == 2:
		f.get(w, r, path[0], path[1])
	case q.Get("watch") == "true" || q.Get("watch") == "1":
		f.note("watch " + path[0])
		f.watch(w, r, path[0])
	default:
		f.list(w, r, path[0])
	}
}

func (f *fakeAPI) note(request string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
}

// fits tells whether an object is of the request's field selector.
func fits(r *http.Request, o runtime.Object) bool {
	node, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "spec.nodeName=")
	p, isPod := o.(*corev1.Pod)
	return !ok || !isPod || p.Spec.NodeName == node
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request, resource string) {
	q := r.URL.Query()
	from := q.Get("continue")
	f.note(map[bool]string{true: "list ", false: "continue "}[from == ""] + resource)
	f.mu.Lock()
	defer f.mu.Unlock()
	if from != "" && f.expireContinue {
		f.expireContinue = false
		f.fail(w, r, apierrors.NewResourceExpired("the provided continue parameter is too old"))
		return
	}
	if version := q.Get("resourceVersion"); version != "" {
		f.fail(w, r, apierrors.NewBadRequest("a list of the past is asked for: "+version))
		return
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	if f.pageSize > 0 && limit > 0 {
		limit = f.pageSize
	}
	names := make([]string, 0, len(f.objects[resource]))
	for name, o := range f.objects[resource] {
		if name > from && fits(r, o) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	header := metav1.ListMeta{ResourceVersion: strconv.Itoa(f.version)}
	if limit > 0 && len(names) > limit {
		names = names[:limit]
		header.Continue = names[limit-1]
	}
	found := make([]runtime.Object, 0, len(names))
	for _, name := range names {
		found = append(found, f.objects[resource][name])
	}
	f.send(w, r, http.StatusOK, listOf(r, header, found))
}

// listOf is a list of pods, or of metadata.
func listOf(r *http.Request, header metav1.ListMeta, found []runtime.Object) runtime.Object {
	if wantsMetadata(r) {
		l := &metav1.PartialObjectMetadataList{ListMeta: header}
		for _, o := range found {
			l.Items = append(l.Items, *metadataOf(o))
		}
		return l
	}
	l := &corev1.PodList{ListMeta: header}
	for _, o := range found {
		l.Items = append(l.Items, *o.(*corev1.Pod))
	}
	return l
}

func (f *fakeAPI) get(w http.ResponseWriter, r *http.Request, resource, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[resource]["/"+name]
	if o == nil {
		f.fail(w, r, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name))
		return
	}
	f.send(w, r, http.StatusOK, o)
}

func (f *fakeAPI) create(w http.ResponseWriter, r *http.Request, resource string) {
	f.note("create " + resource)
	if f.forbidEvents {
		f.fail(w, r, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", fmt.Errorf("not allowed")))
		return
	}
	e := &corev1.Event{}
	if err := decode(r, e); err != nil {
		f.fail(w, r, apierrors.NewBadRequest(err.Error()))
		return
	}
	f.put("events", e)
	f.send(w, r, http.StatusCreated, e)
}

// watch sends what has changed since the version that is asked for.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request, resource string) {
	q := r.URL.Query()
	version, _ := strconv.Atoi(q.Get("resourceVersion"))
	initial := q.Get("sendInitialEvents") == "true"
	f.mu.Lock()
	switch {
	case f.mute:
		f.mu.Unlock()
		<-r.Context().Done()
		return
	case initial && !f.watchList:
		f.mu.Unlock()
		f.fail(w, r, apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil))
		return
	case !initial && version < f.compacted:
		f.mu.Unlock()
		f.fail(w, r, apierrors.NewResourceExpired("too old resource version"))
		return
	}
	f.mu.Unlock()
	out := newEventWriter(f, w, r)
	if initial {
		version = f.sendInitial(out, r, resource)
	}
	f.follow(r.Context(), out, r, resource, version)
}

func (f *fakeAPI) sendInitial(out *eventWriter, r *http.Request, resource string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.objects[resource] {
		if fits(r, o) {
			out.send(change{event: watch.Added, object: o})
		}
	}
	out.send(change{event: watch.Bookmark, object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		ResourceVersion: strconv.Itoa(f.version), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}}})
	return f.version
}

func (f *fakeAPI) follow(ctx context.Context, out *eventWriter, r *http.Request, resource string, version int) {
	for {
		f.mu.Lock()
		var due []change
		for i, c := range f.history[resource] {
			if c.version > version && fits(r, c.object) {
				f.history[resource][i].cut = false // the next watch gets all of it
			}
			if c.version > version && fits(r, c.object) || c.version > version && c.event == watch.Bookmark {
				due = append(due, c)
			}
		}
		changed, down := f.changed, f.down
		f.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		for _, c := range due {
			version = c.version
			out.send(c)
			if c.cut || c.event == watch.Error {
				return
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
