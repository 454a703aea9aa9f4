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
	// life is the lifetime of the credentials. The daemon renews them when 5 to 7 seconds are left.
	life = 20 * time.Second
	// diesAfter is the time from the first credentials to the outage of STS, and deadFor its length.
	diesAfter = 8 * time.Second
	deadFor   = 38 * time.Second
	// backoff is the longest pause between two calls of STS.
	backoff = time.Minute
	// clientsWait is how long most SDKs wait for an answer.
	clientsWait = time.Second
	// edge is how long a client takes to use credentials that it has got: botocore fails if they expire meanwhile.
	edge = 2 * time.Second
)

// mortal serves at one address between live and die. At other times connections are refused.
type mortal struct {
	handler http.Handler
	address string
	server  *http.Server
}

// live starts to serve. At 127.0.0.2 no client's port can occupy the address meanwhile.
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

// poll is one request of a client and its result.
type poll struct {
	who        string
	began      time.Time
	took       time.Duration
	ok         bool
	said       string
	accessKey  string // of polls of the daemon itself, as are the fields below
	document   string
	expiration time.Time
}

// within tells whether the poll began and ended between two times.
func (p *poll) within(from, to time.Time) bool {
	return p.began.After(from) && p.began.Add(p.took).Before(to)
}

// diary holds all polls.
type diary struct {
	mu    sync.Mutex
	polls []poll
	more  chan struct{} // holds one if there are new polls
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

// of returns the polls of one client.
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

// TestOutage_ClientsRecoverWhenSTSReturns stops STS for longer than credentials live, and starts it again. Meanwhile the AWS CLI,
// boto3 and the SDK for Go ask about once a second who they are, with a new session each time, and another client polls the daemon.
func TestOutage_ClientsRecoverWhenSTSReturns(t *testing.T) {
	needClients(t)
	always := stsfake.Start(t) // the clients reach it all the time; only the daemon does not
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
	gap, still, recovered := waitForGap(t, book, returned.Add(backoff+2*clientsWait))
	time.Sleep(6 * time.Second)
	stop()
	all.Wait()
	t.Logf("STS died after %v and was back after %v; no valid credentials from %v to %v\n%s", seconds(died.Sub(began)),
		seconds(returned.Sub(began)), seconds(gap.Sub(began)), seconds(recovered.Sub(began)), book.timeline(began))

	if before := gap.Sub(died); before > life || before < 0 {
		t.Errorf("clients were served for %v after STS died, want the rest of the credentials' lifetime", before)
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
			case p.within(recovered, ended):
				after, valid = after+1, true
			default:
				continue // it spans two periods, or used credentials about to expire
			}
			if p.ok != valid {
				t.Errorf("%s after %v: %s", name, seconds(p.began.Sub(began)), p.said)
			}
		}
		if before < 3 || in < 1 || after < 2 {
			t.Errorf("%s asked only %d, %d and %d times before, in and after the gap", name, before, in, after)
		}
	}
	// Clients use at STS what they have just got: no client got expired credentials.
	for _, r := range always.Requests() {
		if c, ok := always.Issued(r.AccessKeyID); ok && r.Time.After(c.Expires.Add(3*time.Second)) {
			t.Errorf("%s with credentials that had expired %v before", r.Action, r.Time.Sub(c.Expires))
		}
	}
}

// every calls do until ctx is done, at most once a period.
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

// askDaemon asks the daemon for credentials, without a cache.
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

// waitForGap waits until the daemon fails and then succeeds again. It returns the times of the first and the last failure, and of
// the success.
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

// timeline is a table of what each client got in each second: the first failure, if there was one.
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
