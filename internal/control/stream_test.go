package control

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
)

// streamed is a daemon of which a stream has news.
type streamed struct {
	fakeDaemon
	mu  sync.Mutex // guards now
	now int64
}

func (d *streamed) Who() api.Who { return api.Who{} }

func (d *streamed) ConfigStatus() api.Config { return api.Config{} }

func (d *streamed) Position() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *streamed) News(at int64, requests, _ bool, _ int) api.News {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := api.News{Now: d.now}
	if d.now > at && requests {
		n.Requests = []api.Request{{Seq: d.now, Path: "/" + strings.Repeat("x", 1000)}}
	}
	return n
}

func (d *streamed) add() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now++
}

// streamOver serves a daemon in memory. connect sends a request; its answer is not read.
func streamOver(t *testing.T, d Daemon) (connect func(request string) net.Conn) {
	t.Helper()
	p := overPipes(t, d)
	return func(request string) net.Conn {
		c := p.dial()
		_, _ = io.WriteString(c, request)
		return c
	}
}

const streamRequest = "GET /v1/stream?topics=requests HTTP/1.1\r\nHost: h\r\n\r\n"

// lines sends the lines that an answer has until it ends, without those of chunks.
func lines(c net.Conn) <-chan string {
	out := make(chan string, 1000)
	go func() {
		defer close(out)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil) //nolint:bodyclose // the test closes the connection
		if err != nil {
			return
		}
		for all := bufio.NewScanner(resp.Body); all.Scan(); {
			if all.Text() != "" {
				out <- all.Text()
			}
		}
	}()
	return out
}

// taken are the lines that are there.
func taken(out <-chan string) []string {
	synctest.Wait()
	var all []string
	for {
		select {
		case line, ok := <-out:
			if !ok {
				return append(all, "END")
			}
			all = append(all, line)
		default:
			return all
		}
	}
}

// A stream lasts: none of the time-outs for reading a request, of 5 s, or for writing an answer, of 30 s, ends it.
func TestStream_LastsWithACommentEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(streamed)
		c := streamOver(t, d)(streamRequest)
		out := lines(c)
		if got := taken(out); !slices.Equal(got, []string{": stream", "id: 0"}) {
			t.Errorf("at first %q", got)
		}
		for range 20 {
			time.Sleep(15*time.Second - batchEvery)
			if got := taken(out); len(got) > 0 {
				t.Errorf("too early: %q", got)
			}
			time.Sleep(batchEvery)
			if got := taken(out); !slices.Equal(got, []string{": alive"}) {
				t.Errorf("after 15 s: %q", got)
			}
		}
		d.add()
		time.Sleep(time.Second / 2) // a page is to show it within a second
		if got := taken(out); len(got) != 3 || got[0] != "id: 1" || got[1] != "event: requests" || !strings.HasPrefix(got[2], `data: {"requests":[{"seq":1,`) {
			t.Errorf("got %.300q", got)
		}
		_ = c.Close()
	})
}

func TestStream_SameDocumentIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := streamOver(t, new(streamed))(strings.Replace(streamRequest, "=requests", "=credentials,config", 1))
		out := lines(c)
		time.Sleep(10 * time.Second)
		if got := taken(out); len(got) != 6 || got[2] != "event: credentials" || got[4] != "event: config" {
			t.Errorf("got %q", got)
		}
		_ = c.Close()
	})
}

// A client that does not read has its stream for 30 s: no longer than one that does not read another answer.
func TestStream_ClientThatDoesNotReadLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect := streamOver(t, new(streamed))
		for range maxStreams {
			connect(streamRequest)
		}
		synctest.Wait()
		status := func() string {
			c := connect(streamRequest)
			defer func() { _ = c.Close() }()
			line, _ := bufio.NewReader(c).ReadString('\n')
			return strings.TrimSpace(line)
		}
		time.Sleep(writeTimeout - time.Second)
		if got := status(); got != "HTTP/1.1 429 Too Many Requests" {
			t.Errorf("before: %s", got)
		}
		time.Sleep(2 * time.Second)
		if got := status(); got != "HTTP/1.1 200 OK" {
			t.Errorf("after: %s", got)
		}
	})
}

func TestStream_ClientThatLeavesFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect := streamOver(t, new(streamed))
		for range 3 * maxStreams {
			c := connect(streamRequest)
			if got := taken(lines(c)); !slices.Equal(got, []string{": stream", "id: 0"}) {
				t.Fatalf("got %q", got)
			}
			_ = c.Close()
			synctest.Wait()
		}
	})
}
