package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
)

const (
	roleA     = "arn:aws:iam::123456789012:role/a"
	roleB     = "arn:aws:iam::123456789012:role/b"
	accessKey = "ASIAACCESSKEYOFTHEPOD"
	secretKey = "the-secret-key-of-the-session"
	tokenText = "the-token-of-the-session"
	annotated = "the-external-id-in-an-annotation"
)

// bank is an STS for tests.
type bank struct {
	calls atomic.Int32
	delay time.Duration
	mu    sync.Mutex // guards err
	err   error
}

func (b *bank) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bank) Retrieve(ctx context.Context) (*credentials.Credentials, error) {
	b.calls.Add(1)
	select {
	case <-time.After(b.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := credentials.TakeMFACode(ctx, "mfa"); b.err != nil && !ok {
		return nil, b.err
	}
	now := time.Now()
	return session(now.Add(time.Hour), now), nil
}

func session(expiration, issued time.Time) *credentials.Credentials {
	return &credentials.Credentials{
		AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: tokenText, Expiration: expiration, LastUpdated: issued, ARN: "arn:of:session",
	}
}

// specOf is the Spec of a pod.
func specOf(node, pod, role string) credentials.Spec {
	return credentials.Spec{
		RoleARN: role, SessionName: "s", Duration: time.Hour, RefreshBefore: 25 * time.Minute,
		Subject: &caller.Subject{Via: caller.ViaAddress, Node: node, Pod: caller.Pod{
			Namespace: "shop", Name: pod, Annotations: map[string]string{"external-id": annotated},
		}},
	}
}

// laptop is a Feeder with its STS and what it has told.
type laptop struct {
	*Feeder
	bank   *bank
	pool   *credentials.Pool
	decide func(Wish) (credentials.Spec, error)
	asleep atomic.Int64
	dials  atomic.Int32

	mu     sync.Mutex // guards the fields below
	events []Event
	nodes  map[string]*node
	down   error // why nodes cannot be listed
}

// node is a node of the cluster with its Hub.
type node struct {
	name, pod string
	hub       *Hub
	log       *testutil.Buffer
	connected atomic.Int32

	mu      sync.Mutex // guards the fields below
	streams []net.Conn // the laptop's ends, oldest first
	refuses error
}

func newNode(name string) *node {
	n := &node{name: name, pod: name + "-pod", log: &testutil.Buffer{}}
	n.hub = NewHub(HubOptions{
		Version: "pod-version", Log: slog.New(slog.NewTextHandler(n.log, nil)), Connected: func() { n.connected.Add(1) },
	})
	return n
}

// dial opens a stream to the node's Hub within a bubble.
func (n *node) dial(t *testing.T) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuses != nil {
		return nil, n.refuses
	}
	near, far := net.Pipe()
	n.streams = append(n.streams, near)
	hub := n.hub
	go func() { _ = hub.Serve(t.Context(), far) }()
	return near, nil
}

// cut ends the newest stream.
func (n *node) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.streams[len(n.streams)-1].Close()
}

func (n *node) refuse(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuses = err
}

// get asks the laptop as a keeper of the node does.
func (n *node) get(ctx context.Context, pod, role string) (*credentials.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, credentials.RetrieveTimeout)
	defer cancel()
	return n.hub.Provider(specOf(n.name, pod, role)).Retrieve(ctx)
}

// newLaptop makes a laptop whose rules give every pod role a.
func newLaptop(t *testing.T, nodes ...*node) *laptop {
	l := &laptop{bank: &bank{}, nodes: map[string]*node{}}
	for _, n := range nodes {
		l.nodes[n.name] = n
	}
	l.decide = func(w Wish) (credentials.Spec, error) { return specOf(w.Subject.Node, w.Subject.Pod.Name, roleA), nil }
	l.pool = credentials.NewPool(credentials.PoolOptions{Provide: func(credentials.Spec) credentials.Provider { return l.bank }})
	l.pool.Start(t.Context())
	t.Cleanup(l.pool.Close)
	l.Feeder = NewFeeder(FeederOptions{
		Version: "laptop-version",
		Issuer:  Issuer{Decide: func(w Wish) (credentials.Spec, error) { return l.decide(w) }, Pool: l.pool},
		Report: func(e Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
		Now: func() time.Time { return time.Now().Add(time.Duration(l.asleep.Load())).Round(0) },
		Nodes: func(context.Context) ([]Node, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			var list []Node
			for _, n := range l.nodes {
				list = append(list, Node{Name: n.name, Pod: n.pod})
			}
			return list, l.down
		},
		Dial: func(_ context.Context, to Node) (io.ReadWriteCloser, error) {
			l.dials.Add(1)
			l.mu.Lock()
			n := l.nodes[to.Name]
			l.mu.Unlock()
			if n == nil || n.pod != to.Pod {
				return nil, errors.New("no such pod")
			}
			return n.dial(t)
		},
	})
	return l
}

// start runs the laptop within a bubble until the test ends, and returns how Run ends.
func (l *laptop) start(t *testing.T) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(t.Context()) }()
	synctest.Wait()
	return ended
}

// told returns the Events of a kind as text.
func (l *laptop) told(kind string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, e := range l.events {
		if e.Kind == kind {
			list = append(list, e.String())
		}
	}
	return list
}

// add adds a node, or replaces the pod of one.
func (l *laptop) add(n *node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes[n.name] = n
}

func (l *laptop) expectCalls(t *testing.T, want int32) {
	t.Helper()
	synctest.Wait()
	if got := l.bank.calls.Load(); got != want {
		t.Errorf("%d calls of STS, want %d", got, want)
	}
}

// expectCredentials fails the test unless the node gets credentials with that much time left.
func expectCredentials(t *testing.T, n *node, atLeast time.Duration) {
	t.Helper()
	c, err := n.get(t.Context(), "cart", roleA)
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	if left := time.Until(c.Expiration); left < atLeast || !isSession(c) {
		t.Errorf("%s: %v, %v left, want at least %v", n.name, c, left, atLeast)
	}
}

// expectError fails the test unless err is an *Error with that text.
func expectError(t *testing.T, err error, temporary bool, text string) {
	t.Helper()
	e, ok := errors.AsType[*credentials.Error](err)
	if !ok || e.Message != text || e.Temporary != temporary {
		t.Errorf("got %#v\nwant temporary %v, %q", err, temporary, text)
	}
}

// longLived is a provider whose keys are no session.
type longLived struct{}

func (longLived) Retrieve(context.Context) (*credentials.Credentials, error) {
	return &credentials.Credentials{AccessKeyID: "AKIA", SecretAccessKey: secretKey, Expiration: time.Now().Add(time.Hour)}, nil
}
