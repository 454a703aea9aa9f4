package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const startUp = "the laptop's `mock-ec2-metadata-kube up` is not running; start it"

func TestHub_WithoutALaptopFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		began := time.Now()
		_, err := n.get(t.Context(), "cart", roleA)
		expectError(t, err, true, startUp)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		if s := n.hub.Status(); s.Connected || s.Since != nil || s.LastError != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestHub_SpecWithoutASubjectIsRefused(t *testing.T) {
	spec := specOf("n1", "cart", roleA)
	spec.Subject = nil
	_, err := newNode("n1").hub.Provider(spec).Retrieve(t.Context())
	expectError(t, err, false, "these credentials are for no pod, so the laptop does not give them; name the role in kubernetes.rules")
}

func TestHub_WishLongerThanALineIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		newLaptop(t, n).start(t)
		spec := specOf("n1", "cart", roleA)
		spec.Subject.Pod.Annotations = map[string]string{"a": strings.Repeat("x", maxLine)}
		_, err := n.hub.Provider(spec).Retrieve(t.Context())
		expectError(t, err, false, "relay: a line is longer than 64 KiB")
		expectCredentials(t, n, time.Hour)
	})
}

// manual is a laptop that a test plays line by line.
type manual struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
	ended chan error
}

// newManual connects to a Hub within a bubble and says hello.
func newManual(t *testing.T, h *Hub, greeting string) *manual {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close() })
	m := &manual{t, near, bufio.NewScanner(near), make(chan error, 1)}
	go func() { m.ended <- h.Serve(t.Context(), far) }()
	if !m.lines.Scan() || !strings.HasPrefix(m.lines.Text(), `{"hello":{"protocol":1,"version":"pod-version"}`) {
		t.Fatalf("the Hub's first line: %s", m.lines.Text())
	}
	m.say(greeting)
	return m
}

// greet is the hello of a laptop.
func greet(id string) string { return `{"hello":{"protocol":1,"version":"v","feeder":"` + id + `"}}` }

func (m *manual) say(line string) {
	m.t.Helper()
	if _, err := io.WriteString(m.conn, line+"\n"); err != nil {
		m.t.Error(err)
	}
	synctest.Wait()
}

// expectLine reads the next line.
func (m *manual) expectLine(prefix string) {
	m.t.Helper()
	if !m.lines.Scan() || !strings.HasPrefix(m.lines.Text(), prefix) {
		m.t.Errorf("got line %q, want %q", m.lines.Text(), prefix)
	}
}

func (m *manual) expectEnd(text string) {
	m.t.Helper()
	go func() {
		for m.lines.Scan() { // so that the Hub can write
		}
	}()
	if err := <-m.ended; err == nil || err.Error() != text {
		m.t.Errorf("ended with %v\nwant %q", err, text)
	}
}

// goodAnswer answers a wish.
func goodAnswer(id string, key string) string {
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	return `{"id":` + id + `,"credentials":{"access_key_id":"` + key + `","secret_access_key":"s","session_token":"t","expiration":"` + expires + `","new":1}}`
}

// asking runs a wish in the background.
func asking(t *testing.T, n *node, pod string) <-chan answer {
	ended := make(chan answer, 1)
	go func() {
		c, err := n.get(t.Context(), pod, roleA)
		a := answer{credentials: c}
		if err != nil {
			a.err = asError(err, true)
		}
		ended <- a
	}()
	synctest.Wait()
	return ended
}

func TestHub_AnswersGoToTheirWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		first := asking(t, n, "cart")
		m.expectLine(`{"id":1,"want":{"subject":{"via":"address","node":"n1","pod":{"namespace":"shop","name":"cart"`)
		second := asking(t, n, "till")
		m.expectLine(`{"id":2,"want":`)
		m.say(goodAnswer("3", "wrong"))
		m.say(goodAnswer("0", "wrong"))
		m.say(goodAnswer("2", "second"))
		m.say(goodAnswer("2", "twice"))
		m.say(`{"id":1,"hello":{"protocol":9},"unknown":[1]}`)
		m.say(goodAnswer("1", "first"))
		if a := <-first; a.err != nil || a.credentials.AccessKeyID != "first" {
			t.Errorf("the first wish: %v", a.err)
		}
		if a := <-second; a.err != nil || a.credentials.AccessKeyID != "second" {
			t.Errorf("the second wish: %v", a.err)
		}
	})
}

func TestHub_BadCredentialsAreNotHandedOut(t *testing.T) {
	for _, tt := range []struct{ name, answer, want string }{
		{"long-lived keys", `{"id":1,"credentials":{"access_key_id":"AKIA","secret_access_key":"s","expiration":"2999-01-01T00:00:00Z"}}`, "the laptop's answer holds no credentials of a session"},
		{"empty", `{"id":1,"credentials":{}}`, "the laptop's answer holds no credentials of a session"},
		{
			"expired", `{"id":1,"credentials":{"access_key_id":"A","secret_access_key":"s","session_token":"t","expiration":"1999-01-01T00:00:00Z"}}`,
			"the laptop's credentials have expired by the clock of the node; set the clocks of both",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode("n1")
				m := newManual(t, n.hub, greet("one"))
				wish := asking(t, n, "cart")
				m.expectLine(`{"id":1,`)
				m.say(tt.answer)
				if a := <-wish; a.err == nil || a.err.Message != tt.want || !a.err.Temporary {
					t.Errorf("got %+v, %v", a.err, a.credentials)
				}
			})
		})
	}
}

func TestHub_GarbageEndsTheStreamAndShowsNothing(t *testing.T) {
	long := `{"id":1,"credentials":{"secret_access_key":"` + strings.Repeat("x", maxLine) + `"}}`
	for _, tt := range []struct{ name, line, want string }{
		{"no JSON", secretKey, errGarbage.Error()},
		{"a wrong type", `{"id":"` + secretKey + `"}`, errGarbage.Error()},
		{"a list", `["` + secretKey + `"]`, errGarbage.Error()},
		{"two values", `{} "` + secretKey + `"`, errGarbage.Error()},
		{"a long line", long, "relay: a line is longer than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode("n1")
				m := newManual(t, n.hub, greet("one"))
				go func() { _, _ = io.WriteString(m.conn, tt.line+"\n") }()
				m.expectEnd(tt.want)
				synctest.Wait()
				if s := n.hub.Status(); s.Connected || s.LastError != tt.want {
					t.Errorf("status %+v", s)
				}
				if n.log.Contains(secretKey) {
					t.Errorf("the log shows the line: %s", n.log)
				}
			})
		})
	}
}

func TestHub_FirstLineMustBeAHelloOfTheSameProtocol(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"an answer", goodAnswer("1", "k"), errFirst.Error()},
		{"a ping", `{"ping":true}`, errFirst.Error()},
		{
			"another protocol", `{"hello":{"protocol":2,"version":"9.9"}}`,
			`relay: mock-ec2-metadata-kube is "9.9" (protocol 2) on the laptop and "pod-version" (protocol 1) in the pod; run up again with one version`,
		},
		{"a farewell", `{"bye":{"why":"protocol","text":"too old"}}`, "too old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode("n1")
				m := newManual(t, n.hub, tt.line)
				m.expectEnd(tt.want)
				if s := n.hub.Status(); s.Connected || s.LastError != tt.want || n.connected.Load() != 0 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestHub_SilentLaptopIsGivenUp(t *testing.T) {
	for _, said := range []string{greet("one") + "\n", ""} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode("n1")
			began := time.Now()
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, near) }()
			go func() { _, _ = io.WriteString(near, said) }()
			if err := n.hub.Serve(t.Context(), far); !errors.Is(err, errSilent) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took != missedPings*pingEvery {
				t.Errorf("after %v", took)
			}
		})
	}
}

func TestHub_LaptopThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		wish := asking(t, n, "cart")
		current := n.hub.current
		for range 2 * maxQueue {
			_ = current.send(message{Ping: true})
		}
		if err := <-m.ended; !errors.Is(err, errSlow) {
			t.Errorf("ended with %v", err)
		}
		if a := <-wish; a.err == nil || !a.err.Temporary {
			t.Errorf("got %v", a.err)
		}
	})
}

func TestHub_StopClosesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		ctx, cancel := context.WithCancel(t.Context())
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		ended := make(chan error, 1)
		go func() { ended <- n.hub.Serve(ctx, far) }()
		_, _ = io.WriteString(near, greet("one")+"\n")
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || n.log.Contains("lost") {
			t.Errorf("ended with %v; %s", err, n.log)
		}
	})
}
