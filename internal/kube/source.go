package kube

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	// pageSize is how many objects a page has: of pods of 8 kB, 1.6 MB, which bounds what a list costs.
	pageSize = 200
	// silence is how long a watch may say nothing. API servers send a bookmark each minute.
	silence = 3 * time.Minute

	// resync does nothing here. Without a period the reflector waits on a channel of its package, which no test can control.
	resync = 24 * time.Hour

	minDelay = 100 * time.Millisecond // between attempts to list and watch; doubled after each
	maxDelay = 5 * time.Second
)

// source follows the objects of one kind by client-go's reflector, and keeps them in a store.
type source struct {
	api      rest.Interface
	resource string // such as "pods"
	selector string // of fields; "" is all
	metadata bool   // metadata alone is asked for
	keep     func(runtime.Object) *object
	store    cache.ReflectorStore
	log      *slog.Logger
	now      func() time.Time

	heard   atomic.Pointer[time.Time] // when the API last said something; nil is never
	lists   atomic.Int64              // that have begun to come: one, and those after watches that could not go on
	failure atomic.Pointer[string]    // what went wrong since then; nil is nothing
}

// run lists and watches until ctx is done. The reflector's own back-off is of up to a minute; a node's list costs too little for that.
func (s *source) run(ctx context.Context) {
	r := cache.NewReflectorWithOptions(&cache.ListWatch{ListWithContextFunc: s.list, WatchFuncWithContext: s.watch}, &object{}, s.store,
		cache.ReflectorOptions{Name: s.resource, TypeDescription: s.resource, ResyncPeriod: resync})
	r.WatchListPageSize = pageSize
	delay := minDelay
	for ctx.Err() == nil {
		began := s.now()
		if err := r.ListAndWatchWithContext(ctx); err != nil {
			s.failed(ctx, err)
		}
		if s.now().Sub(began) > 2*maxDelay {
			delay = minDelay
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay/2 + rand.N(delay/2)): //nolint:gosec // jitter is no secret
		}
		delay = min(2*delay, maxDelay)
	}
}

// get is a request for the objects; kind is that of the answer, if metadata alone is asked for.
func (s *source) get(opts *metav1.ListOptions, kind string) *rest.Request {
	opts.FieldSelector = s.selector
	request := s.api.Get().Resource(s.resource).VersionedParams(opts, metav1.ParameterCodec).MaxRetries(0) // run retries
	if s.metadata {
		request.SetHeader("Accept", acceptMetadata(kind))
	}
	return request
}

// list returns a page of stripped objects. Each list shows the newest state. A list at the last known version would show
// etcd's past, and the API server may no longer have the events since then.
func (s *source) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	opts.ResourceVersion, opts.ResourceVersionMatch = "", ""
	page, err := s.get(&opts, "PartialObjectMetadataList").Do(ctx).Get()
	if err != nil {
		s.failed(ctx, err)
		return nil, err
	}
	s.alive()
	if opts.Continue == "" {
		s.lists.Add(1)
	}
	header, err := meta.ListAccessor(page)
	if err != nil {
		return nil, err
	}
	kept := &internalversion.List{ListMeta: metav1.ListMeta{ResourceVersion: header.GetResourceVersion(), Continue: header.GetContinue()}}
	err = meta.EachListItem(page, func(o runtime.Object) error {
		if stripped := s.keep(o); stripped != nil {
			kept.Items = append(kept.Items, stripped)
		}
		return nil
	})
	return kept, err
}

// watch starts a watch that ends when nothing has come for a while, not even a bookmark or the answer's header.
func (s *source) watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.Watch = true
	ctx, cancel := context.WithCancel(ctx)
	quiet := time.AfterFunc(silence, func() {
		s.log.Info("watch is silent, starting another", "resource", s.resource, "silence", silence)
		cancel()
	})
	in, err := s.get(&opts, "PartialObjectMetadata").Watch(ctx)
	if err != nil {
		s.failed(ctx, err)
		quiet.Stop()
		cancel()
		return nil, plain(err)
	}
	s.alive()
	w := &stream{source: s, in: in, out: make(chan watch.Event), ctx: ctx, cancel: cancel, quiet: quiet}
	go w.forward()
	return w, nil
}

// plain hides the type of errors after which the reflector would wait for up to a minute, and with it run's shorter wait.
func plain(err error) error {
	if utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err) {
		return errors.New(err.Error())
	}
	return err
}

// alive notes that the API has said something.
func (s *source) alive() {
	now := s.now()
	s.heard.Store(&now)
	if s.failure.Swap(nil) != nil {
		s.log.Info("kubernetes api answers again", "resource", s.resource)
	}
}

// failed notes an error, and logs the first of a row.
func (s *source) failed(ctx context.Context, err error) {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // the end of Run, or of a silent watch
	}
	text := err.Error()
	if s.failure.Swap(&text) == nil && !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		s.log.Warn("kubernetes api cannot be asked", "resource", s.resource, "err", text, "hint", hint(err))
	}
}

func hint(err error) string {
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return "check the ClusterRole and its binding, or run up again"
	}
	return "known pods are served on; new ones must wait"
}

// stream is a watch whose objects are stripped, and which ends when it is silent.
type stream struct {
	source *source
	in     watch.Interface
	out    chan watch.Event
	ctx    context.Context // of the watch, which no call outlives
	cancel context.CancelFunc
	quiet  *time.Timer
}

// Stop implements watch.Interface.
func (w *stream) Stop() { w.cancel() }

// ResultChan implements watch.Interface.
func (w *stream) ResultChan() <-chan watch.Event { return w.out }

func (w *stream) forward() {
	defer close(w.out)
	defer w.cancel()
	defer w.in.Stop()
	defer w.quiet.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case e, ok := <-w.in.ResultChan():
			if !ok || w.ctx.Err() != nil { // what a stream that was cut decodes to is no event
				return
			}
			w.quiet.Reset(silence)
			if e, ok = w.strip(e); !ok {
				continue
			}
			select {
			case w.out <- e:
			case <-w.ctx.Done():
				return
			}
		}
	}
}

// strip returns the event of a stripped object. It is false for what is not kept.
func (w *stream) strip(e watch.Event) (watch.Event, bool) {
	if e.Type == watch.Error {
		w.source.failed(w.ctx, apierrors.FromObject(e.Object))
		return e, true
	}
	w.source.alive()
	if e.Type == watch.Bookmark {
		m, err := meta.Accessor(e.Object)
		if err != nil {
			return e, false
		}
		e.Object = &object{ObjectMeta: metav1.ObjectMeta{ResourceVersion: m.GetResourceVersion(), Annotations: m.GetAnnotations()}}
		return e, true
	}
	kept := w.source.keep(e.Object)
	if kept == nil {
		return e, false
	}
	e.Object = kept
	return e, true
}
