//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

const (
	// life is that of the credentials; renewal is due when 5 to 7 seconds are left.
	life = 20 * time.Second
	// STS dies this long after the first credentials, for so long.
	diesAfter = 8 * time.Second
	deadFor   = 38 * time.Second
	// backoff is the longest pause between two calls of STS.
	backoff = time.Minute
	// clientsWait is how long most SDKs wait for an answer.
	clientsWait = time.Second
)

// mortal serves at one address, whenever it lives. In between, connections are refused.
type mortal struct {
	handler http.Handler
	address string
	server  *http.Server
}

// live begins to serve. At 127.0.0.2 no client's own port is in the way of serving again.
func (m *mortal) live(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", m.address)
	if err != nil {
		t.Fatal(err)
	}
	m.address, m.server = l.Addr().String(), &http.Server{Handler: m.handler}
	go func() { _ = m.server.Serve(l) }()
}

func (m *mortal) die() { _ = m.server.Close() }

// poll is what one question came to.
type poll struct {
	who        string
	began      time.Time
	took       time.Duration
	ok         bool
	said       string
	accessKey  string // and the document that it is in, of who asks the daemon itself
	document   string
	expiration time.Time
}

// within says whether all of it was in a stretch of time.
func (p *poll) within(from, to time.Time) bool {
	return p.began.After(from) && p.began.Add(p.took).Before(to)
}

// diary holds all polls.
type diary struct {
	mu    sync.Mutex
	polls []poll
	more  chan struct{} // has something in it if there are new ones
}

func (d *diary) write(p poll) {
	d.mu.Lock()
	d.polls = append(d.polls, p)
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// of gives the polls by one.
func (d *diary) of(who string) (polls []poll) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.polls {
		if p.who == who {
			polls = append(polls, p)
		}
	}
	return polls
}

// edge is what a client takes to use credentials that it has got: botocore fails on those that expire meanwhile.
const edge = 2 * time.Second

// TestOutage lets STS die for longer than credentials live, and return, while the AWS CLI, boto3 and the SDK for Go ask
// about once a second who they are, by sessions of their own each time, and somebody asks the daemon itself.
func TestOutage(t *testing.T) {
	needClients(t)
	always := stsfake.Start(t) // for the clients: only the daemon's way to it is cut
	always.Lifetime(life)
	sts := &mortal{handler: always, address: "127.0.0.2:0"}
	sts.live(t)
	t.Cleanup(func() { sts.die() })
	d := startLocal(t, newHome(t, always, ""), "http://"+sts.address, "--set", "log.access=false")
	d.waitFor(t, `"msg":"got credentials"`)

	book := &diary{more: make(chan struct{}, 1)}
	began := time.Now()
	asking, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer func() { stop(); all.Wait() }()
	all.Go(func() { every(asking, 250*time.Millisecond, func() { book.write(askDaemon(t, d.url)) }) })
	for name, who := range clients {
		all.Go(func() {
			every(asking, time.Second, func() {
				p := poll{who: name, began: time.Now()}
				arn, err := who(t, d.url, always.URL())
				p.took, p.ok, p.said = time.Since(p.began), err == nil && arn == sessionARN, arn
				if err != nil {
					lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
					p.said = lines[len(lines)-1]
				}
				book.write(p)
			})
		})
	}

	time.Sleep(diesAfter)
	sts.die()
	died := time.Now()
	time.Sleep(deadFor)
	sts.live(t)
	returned := time.Now()
	gap, still, mended := waitForGap(t, book, returned.Add(backoff+2*clientsWait))
	time.Sleep(6 * time.Second)
	stop()
	all.Wait()
	t.Logf("STS died after %v and was back after %v; no valid credentials from %v to %v\n%s", seconds(died.Sub(began)),
		seconds(returned.Sub(began)), seconds(gap.Sub(began)), seconds(mended.Sub(began)), book.timeline(began))

	if before := gap.Sub(died); before > life || before < 0 {
		t.Errorf("clients were served for %v after STS died, want what the credentials had left", before)
	}
	checkDaemon(t, book.of("daemon"), sts.address)
	ended := time.Now()
	for name := range clients {
		var before, in, after int
		for _, p := range book.of(name) {
			valid := false
			switch {
			case p.within(began, gap.Add(-edge)):
				before, valid = before+1, true
			case p.within(gap, still):
				in++
			case p.within(mended, ended):
				after, valid = after+1, true
			default:
				continue // began in one time and ended in another, or with what was about to expire
			}
			if p.ok != valid {
				t.Errorf("%s after %v: %s", name, seconds(p.began.Sub(began)), p.said)
			}
		}
		if before < 3 || in < 1 || after < 2 {
			t.Errorf("%s asked only %d, %d and %d times before, in and after the gap", name, before, in, after)
		}
	}
	// What clients use at STS is what they have just got: nobody got anything expired.
	for _, r := range always.Requests() {
		if c, ok := always.Issued(r.AccessKeyID); ok && r.Time.After(c.Expires.Add(3*time.Second)) {
			t.Errorf("%s with credentials that had expired %v before", r.Action, r.Time.Sub(c.Expires))
		}
	}
}

// every does something again and again, with at least a period from one beginning to the next.
func every(ctx context.Context, period time.Duration, do func()) {
	ticks := time.NewTicker(period)
	defer ticks.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}

// askDaemon is a client without patience or a memory of its own.
func askDaemon(t *testing.T, url string) (p poll) {
	p = poll{who: "daemon", began: time.Now()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"latest/meta-data/iam/security-credentials/myrole", nil)
	if err != nil {
		t.Error(err)
		return p
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.took, p.said = time.Since(p.began), err.Error()
		return p
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	p.took = time.Since(p.began)
	var c struct {
		Code, Message, LastUpdated string
		AccessKeyID                string `json:"AccessKeyId"`
		Expiration                 time.Time
	}
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	p.said = strings.TrimSuffix(fmt.Sprintf("%d %s: %s", resp.StatusCode, c.Code, c.Message), ": ")
	if err != nil || c.LastUpdated == "" {
		p.said += fmt.Sprintf(", %v in %q", err, body)
	}
	p.ok = p.said == "200 Success"
	p.accessKey, p.document, p.expiration = c.AccessKeyID, string(body), c.Expiration
	return p
}

// waitForGap waits until the daemon has no credentials, still has none, and then has some again.
func waitForGap(t *testing.T, book *diary, latest time.Time) (from, still, to time.Time) {
	t.Helper()
	timeout := time.After(time.Until(latest))
	for {
		for _, p := range book.of("daemon") {
			switch {
			case !p.ok && from.IsZero():
				from, still = p.began, p.began
			case !p.ok:
				still = p.began
			case !from.IsZero():
				return from, still, p.began.Add(p.took)
			}
		}
		from = time.Time{}
		select {
		case <-book.more:
		case <-timeout:
			t.Fatalf("no gap that ended in time\n%s", book.timeline(book.of("daemon")[0].began))
		}
	}
}

// checkDaemon checks each answer of the daemon.
func checkDaemon(t *testing.T, polls []poll, sts string) {
	t.Helper()
	wantError := "503 Failed: STS cannot be reached: dial tcp " + sts + ": connect: connection refused; check the network, aws.region (" +
		region + ") and AWS_ENDPOINT_URL_STS"
	documents := map[string]string{}
	for _, p := range polls {
		switch {
		case p.took > clientsWait:
			t.Errorf("answered after %v: %s", p.took, p.said)
		case !p.ok && p.said != wantError:
			t.Errorf("said %s, want %s", p.said, wantError)
		case p.ok && !p.expiration.After(p.began):
			t.Errorf("handed out at %v what expires at %v", p.began, p.expiration)
		case p.ok && documents[p.accessKey] == "":
			documents[p.accessKey] = p.document
		case p.ok && documents[p.accessKey] != p.document:
			t.Errorf("the document changed between renewals")
		}
	}
	if len(documents) < 2 {
		t.Errorf("%d renewals", len(documents))
	}
}

// timeline tells what each client saw in each second: the worst of it.
func (d *diary) timeline(began time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	columns := []string{"daemon", "aws-cli", "boto3", "aws-sdk-go-v2"}
	rows := map[int]map[string]string{}
	last := 0
	for _, p := range d.polls {
		at := int(p.began.Sub(began).Seconds())
		if rows[at] == nil {
			rows[at] = map[string]string{}
		}
		last = max(last, at)
		said := p.said
		if p.ok {
			said = "ok"
		}
		if now := rows[at][p.who]; now == "" || now == "ok" {
			rows[at][p.who] = said[:min(len(said), 44)]
		}
	}
	var b strings.Builder
	line := func(at string, cell func(string) string) {
		fmt.Fprintf(&b, "%5s", at)
		for _, c := range columns {
			fmt.Fprintf(&b, "  %-44s", cell(c))
		}
		b.WriteString("\n")
	}
	line("", func(c string) string { return c })
	for at := range last + 1 {
		line(fmt.Sprintf("%ds", at), func(c string) string { return rows[at][c] })
	}
	return b.String()
}

func seconds(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
