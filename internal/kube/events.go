package kube

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"mock-ec2-metadata/internal/caller"
)

const (
	eventPause   = time.Hour // between two equal Events on a pod
	eventQueue   = 64        // Events that wait to be sent; more are dropped
	eventMemory  = 4096      // Events that are remembered; the older ones are forgotten when there are more
	eventMessage = 1024      // bytes, the API's limit

	component = "mock-ec2-metadata"
)

// events records Events on pods, in the background.
type events struct {
	api   rest.Interface
	node  string
	log   *slog.Logger
	now   func() time.Time
	queue chan event

	mu     sync.Mutex
	sent   map[eventKey]time.Time
	denied bool // the API has refused an Event, which has been logged
}

type event struct {
	pod     *caller.Pod
	message string
}

type eventKey struct{ uid, message string }

func newEvents(api rest.Interface, node string, log *slog.Logger, now func() time.Time) *events {
	return &events{api: api, node: node, log: log, now: now, queue: make(chan event, eventQueue), sent: map[eventKey]time.Time{}}
}

// refuse queues an Event, unless an equal one is less than an hour old. It never blocks.
func (e *events) refuse(p *caller.Pod, message string) {
	if len(message) > eventMessage {
		message = strings.ToValidUTF8(message[:eventMessage], "")
	}
	key, now := eventKey{p.UID, message}, e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.sent[key]; ok && now.Sub(last) < eventPause {
		return
	}
	select {
	case e.queue <- event{p, message}:
		e.forgetOld(now)
		e.sent[key] = now
	default:
	}
}

func (e *events) forgetOld(now time.Time) {
	if len(e.sent) < eventMemory {
		return
	}
	for key, at := range e.sent {
		if now.Sub(at) >= eventPause {
			delete(e.sent, key)
		}
	}
	if len(e.sent) >= eventMemory {
		clear(e.sent)
	}
}

// run sends what is queued until ctx is done.
func (e *events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-e.queue:
			e.send(ctx, one)
		}
	}
}

func (e *events) send(ctx context.Context, one event) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := e.api.Post().Namespace(one.pod.Namespace).Resource("events").Body(e.object(one)).Do(ctx).Error()
	switch {
	case err == nil:
		return
	case apierrors.IsForbidden(err):
		if !e.denied { // run alone reads and sets it
			e.denied = true
			e.log.Warn("events on pods are not allowed", "err", err, "hint", "allow create of events in the ClusterRole")
		}
		return
	}
	e.log.Debug("event on a pod was not recorded", "pod", one.pod.Namespace+"/"+one.pod.Name, "err", err)
	e.mu.Lock() // the next refusal tries again
	delete(e.sent, eventKey{one.pod.UID, one.message})
	e.mu.Unlock()
}

func (e *events) object(one event) *corev1.Event {
	suffix := make([]byte, 8)
	_, _ = rand.Read(suffix) // it never fails
	now := metav1.NewTime(e.now())
	name := one.pod.Name
	if len(name) > 230 { // 253 is the API's limit
		name = name[:230]
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: one.pod.Namespace, Name: name + "." + hex.EncodeToString(suffix),
			Labels: map[string]string{"app.kubernetes.io/name": component, "app.kubernetes.io/managed-by": "mock-ec2-metadata-kube"},
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: one.pod.Namespace, Name: one.pod.Name, UID: types.UID(one.pod.UID),
		},
		Type: corev1.EventTypeWarning, Reason: "RoleRefused", Message: one.message,
		Source:         corev1.EventSource{Component: component, Host: e.node},
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
		ReportingController: component, ReportingInstance: e.node,
	}
}

// limiter allows one thing per pause. The zero value is ready.
type limiter struct {
	mu   sync.Mutex
	last time.Time
}

func (l *limiter) allow(now time.Time, pause time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < pause {
		return false
	}
	l.last = now
	return true
}
