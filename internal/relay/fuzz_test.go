package relay

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

// endless plays lines and then stays silent until it is closed.
type endless struct {
	io.Reader
	closed chan struct{}
	played chan struct{} // closed when all lines have been read
}

func newEndless(lines string) *endless {
	return &endless{strings.NewReader(lines), make(chan struct{}), make(chan struct{})}
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == nil {
		return n, nil
	}
	select {
	case <-e.played:
	default:
		close(e.played)
	}
	<-e.closed
	return 0, err
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

func (e *endless) Close() error {
	select {
	case <-e.closed:
	default:
		close(e.closed)
	}
	return nil
}

func seeds(f *testing.F) {
	f.Helper()
	for _, m := range messages() {
		line, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(line))
		f.Add(string(line[:len(line)/2]))
		f.Add(string(line) + string(line))
	}
	for _, text := range []string{"", "\n", "null\n", "[]\n", "{}\n", "7\n", `{"id":-1}` + "\n", `{"want":{}}` + "\n", `{"id":1,"want":{}}` + "\n", strings.Repeat("x", maxLine+1)} {
		f.Add(text)
	}
}

func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decode([]byte(text))
		if err != nil {
			if err.Error() != errGarbage.Error() {
				t.Errorf("the error is %v", err)
			}
			return
		}
		line, err := m.encode()
		if err != nil {
			return // RFC 3339 times and line lengths have bounds that decode does not check
		}
		if _, err := decode(line); err != nil {
			t.Errorf("its own line %q: %v", line, err)
		}
	})
}

// FuzzHub plays what a laptop says to a Hub with a wish.
func FuzzHub(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		h := NewHub(HubOptions{})
		conn := newEndless(greet("f") + "\n" + text)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-conn.played
			cancel()
		}()
		h.pending[7] = &pending{wish: wishFor(specOf("n1", "cart", roleA)), answer: make(chan answer, 1)}
		waiting := h.pending[7].answer
		if h.Serve(ctx, conn) == nil {
			t.Error("Serve returned nil")
		}
		cancel()
		select {
		case a := <-waiting:
			if a.err == nil && (!isSession(a.credentials) || !a.credentials.Expiration.After(time.Now())) {
				t.Error("bad credentials are handed out")
			}
		default:
		}
	})
}

// FuzzFeeder plays what a pod says to a Feeder whose rules allow role a alone.
func FuzzFeeder(f *testing.F) {
	seeds(f)
	spec := credentials.Spec{RoleARN: roleA, Mock: true}
	f.Fuzz(func(t *testing.T, text string) {
		pool := credentials.NewPool(credentials.PoolOptions{Provide: func(credentials.Spec) credentials.Provider {
			return &credentials.Mock{ARN: "arn:of:session", Lifetime: time.Hour, Now: time.Now}
		}})
		pool.Start(t.Context())
		defer pool.Close()
		feeder := NewFeeder(FeederOptions{
			Issuer: Issuer{Decide: func(Wish) (credentials.Spec, error) { return spec, nil }, Pool: pool},
			Report: func(e Event) {
				if e.Kind == EventGave && e.Wish.Role != roleA {
					t.Errorf("gave %v", e.Wish)
				}
			},
		})
		conn := newEndless(`{"hello":{"protocol":1}}` + "\n" + text)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			<-conn.played
			cancel()
		}()
		if _, err := feeder.serve(ctx, Node{Name: "n1"}, conn); err == nil {
			t.Error("serve returned nil")
		}
	})
}
