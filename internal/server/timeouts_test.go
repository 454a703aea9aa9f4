package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	get  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	post = "POST / HTTP/1.1\r\nHost: x\r\n"
)

// trickle writes text, a byte a second, until the connection is closed.
func trickle(c net.Conn, text string) {
	for i := range text {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// TestServe_CutsOffClient measures when the server closes the connection of a client that does not go on.
func TestServe_CutsOffClient(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		name   string
		answer string
		client func(net.Conn) // what it does until it only waits
		reads  bool           // it reads what it gets
		want   time.Duration  // from the end of the header, or from the connect
	}{
		{name: "it sends nothing", client: func(net.Conn) {}, reads: true, want: readHeaderTimeout},
		{name: "its header trickles", client: func(c net.Conn) { trickle(c, "GET / HTTP/1.1\r\nA: "+long) }, reads: true, want: readHeaderTimeout},
		{
			name:   "its second header trickles",
			client: func(c net.Conn) { _, _ = io.WriteString(c, get); trickle(c, "GET / HTTP/1.1\r\nA: "+long) },
			reads:  true, want: readHeaderTimeout + 3*time.Second, // which begins with its fourth byte
		},
		{
			name:   "its body trickles",
			client: func(c net.Conn) { _, _ = io.WriteString(c, post+"Content-Length: 1000\r\n\r\n"); trickle(c, long) },
			reads:  true, want: bodyTimeout,
		},
		{
			name: "its chunked body trickles",
			client: func(c net.Conn) {
				_, _ = io.WriteString(c, post+"Transfer-Encoding: chunked\r\n\r\n3e8\r\n")
				trickle(c, long)
			},
			reads: true, want: bodyTimeout,
		},
		{
			name:   "its body does not come",
			client: func(c net.Conn) { _, _ = io.WriteString(c, post+"Content-Length: 1\r\n\r\n") }, reads: true, want: bodyTimeout,
		},
		{name: "it does not read its answer", client: func(c net.Conn) { _, _ = io.WriteString(c, get) }, want: writeTimeout},
		{
			name: "it does not read its large answer", answer: strings.Repeat("x", 1<<20),
			client: func(c net.Conn) { _, _ = io.WriteString(c, get) }, want: writeTimeout,
		},
		{
			name:   "it sends one request after the other and reads no answer",
			client: func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat(get, 10_000)) }, want: writeTimeout,
		},
		{name: "it is idle after an answer", client: func(c net.Conn) { _, _ = io.WriteString(c, get) }, reads: true, want: idleTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, shutdown := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.answer) })
				began := time.Now()
				closed := make(chan struct{})
				go func() {
					defer close(closed)
					tt.client(client)
					for err := error(nil); err == nil && !tt.reads; { // waits until the connection is closed
						_, err = io.WriteString(client, "x")
					}
				}()
				if tt.reads {
					_, _ = io.Copy(io.Discard, client)
				} else {
					<-closed
				}
				if took := time.Since(began); took < tt.want || took > tt.want+time.Second {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
				<-closed
				shutdown()
			})
		})
	}
}

// TestServe_KeepsConnectionBetweenRequests checks that no deadline of a request remains for the next one.
func TestServe_KeepsConnectionBetweenRequests(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request string
	}{
		{"without a body", get},
		{"with a body", post + "Content-Length: 4\r\n\r\nbody"},
		{"with a chunked body", post + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
	} {
		for _, pause := range []time.Duration{0, time.Second, 7 * time.Second, 12 * time.Second, time.Minute} {
			t.Run(tt.name+", every "+pause.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, shutdown := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
					answers := bufio.NewReader(client)
					for n := range 20 {
						if _, err := io.WriteString(client, tt.request); err != nil {
							t.Fatalf("request %d: %v", n, err)
						}
						resp, err := http.ReadResponse(answers, nil)
						if err != nil {
							t.Fatalf("answer %d: %v", n, err)
						}
						body, err := io.ReadAll(resp.Body)
						if err = errors.Join(err, resp.Body.Close()); err != nil || string(body) != "here" {
							t.Fatalf("answer %d: %q, %v", n, body, err)
						}
						time.Sleep(pause)
					}
					_ = client.Close()
					shutdown()
				})
			})
		}
	}
}

// TestServe_SlowHandlerOutlivesBodyTimeout checks that the body's deadline does not end a request whose body has come.
func TestServe_SlowHandlerOutlivesBodyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cancelled error
		client, shutdown := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(2 * bodyTimeout)
			cancelled = r.Context().Err()
		})
		_, _ = io.WriteString(client, post+"Content-Length: 4\r\n\r\nbody")
		time.Sleep(3 * bodyTimeout)
		synctest.Wait()
		if cancelled != nil {
			t.Errorf("the request's context: %v", cancelled)
		}
		_ = client.Close()
		shutdown()
	})
}

// TestServe_AnswerAfterTheLongestWaitArrives has a handler that waits for as long as kubernetes.pods.wait may be.
func TestServe_AnswerAfterTheLongestWaitArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, shutdown := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(10*time.Second + 100*time.Millisecond) // with some work
			_, _ = io.WriteString(w, "here")
		})
		_, _ = io.WriteString(client, get)
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "here" {
			t.Errorf("%q, %v", body, err)
		}
		_ = resp.Body.Close()
		_ = client.Close()
		shutdown()
	})
}
