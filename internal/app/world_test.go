package app

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// patience is how long a request may take: most SDKs give up after one second.
const patience = 950 * time.Millisecond

// world is a daemon and a fake STS, with HTTP over a network in memory in between. It lives in a synctest bubble, where
// hours take no time.
type world struct {
	*stsfake.Server
	network *network
	calls   *calls
	app     *unserved // calls STS from run on
	begun   time.Time
	// ahead is by how much this machine's clock is ahead of the time by which it signs, stsAhead by how much STS's is, both
	// in nanoseconds.
	ahead, stsAhead atomic.Int64

	issues map[string]issue // what clients got, by access key id
}

// issue is the document of one refresh, and its name in timelines: A is the first.
type issue struct {
	name rune
	body string
}

// newWorld makes a world. It is called within a bubble, in an isolated home.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{network: newNetwork(), begun: time.Now(), issues: map[string]issue{}}
	w.Server = stsfake.StartOn(t, w.network, stsfake.WithNow(func() time.Time { return time.Now().Add(time.Duration(w.stsAhead.Load())) }))
	w.AddRole(roleARN)
	testutil.Write(t, ".aws/credentials", profile(w.AddUser("developer")))
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://sts.invalid")
	w.calls = &calls{to: dialing(w.network.dial)}
	opt := options(load(t, "", "credentials.source_profile=default", "credentials.iam_role="+roleARN))
	// As long as the credentials live, so that the refresh is due half of their life before the expiry, with little jitter.
	opt.Config.Config.Credentials.RefreshBefore = time.Hour
	opt.HTTP = w.calls
	opt.Now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.app = newUnserved(t, opt)
	return w
}

// askPage asks for the credentials once. took is how long the answer took.
func (w *world) askPage() (status int, body string, took time.Duration) {
	asked := time.Now()
	rec := w.app.ask("/" + rolePath)
	return rec.Code, rec.Body.String(), time.Since(asked)
}

// document is the answer of the credentials page, be it credentials or an error.
type document struct {
	Code, Message, LastUpdated                            string
	Type, AccessKeyID, SecretAccessKey, Token, Expiration string
}

// see asks once, checks what must hold for each answer, and names it: "200 Success A" for the first credentials, or status,
// code and message.
func (w *world) see(t *testing.T) string {
	t.Helper()
	status, body, took := w.askPage()
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%v: %s in %d %s", time.Since(w.begun), fmt.Sprintf(format, args...), status, body)
	}
	if took > patience {
		wrong("%v of waiting", took)
	}
	var d document
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		wrong("%v", err)
	}
	if _, err := time.Parse(time.RFC3339, d.LastUpdated); err != nil {
		wrong("LastUpdated: %v", err)
	}
	if d.Code != "Success" {
		if d.Message == "" || d.AccessKeyID+d.SecretAccessKey+d.Token+d.Expiration != "" {
			wrong("neither credentials nor an error")
		}
		return fmt.Sprintf("%d %s: %s", status, d.Code, moments.ReplaceAllString(d.Message, "TIME"))
	}
	got, known := w.issues[d.AccessKeyID]
	if !known {
		was, ok := w.Issued(d.AccessKeyID)
		if !ok || d.SecretAccessKey != was.SecretAccessKey || d.Token != was.SessionToken || d.Expiration != was.Expires.UTC().Format(time.RFC3339) || d.Type != "AWS-HMAC" {
			wrong("not what STS issued")
		}
		got = issue{'A' + rune(len(w.issues)), body}
		w.issues[d.AccessKeyID] = got
	}
	if got.body != body {
		wrong("changed from %s", got.body)
	}
	if expires, err := time.Parse(time.RFC3339, d.Expiration); err != nil || !expires.After(time.Now().Add(time.Duration(w.stsAhead.Load()))) {
		wrong("expired, %v", err)
	}
	return fmt.Sprintf("%d Success %c", status, got.name)
}

// moments are the times in STS's messages.
var moments = regexp.MustCompile(`\b[0-9]{8}T[0-9]{6}Z\b|\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z\b`)

// run lets time pass for length, does each event at its time, and asks once a second.
func (w *world) run(t *testing.T, length time.Duration, events []event) timeline {
	t.Helper()
	var saw timeline
	for at := time.Duration(0); at < length; at += time.Second {
		time.Sleep(time.Until(w.begun.Add(at)))
		for len(events) > 0 && events[0].at <= at {
			events[0].do(w)
			events = events[1:]
		}
		if at == 0 {
			w.app.begin(t)
		}
		saw.add(at, w.see(t))
	}
	return saw
}

// event happens at a time since the beginning.
type event struct {
	at time.Duration
	do func(*world)
}

// timeline is what a client saw, each stretch of equal answers once.
type timeline []stretch

type stretch struct {
	from time.Duration
	saw  string
}

func (l *timeline) add(at time.Duration, saw string) {
	if n := len(*l); n == 0 || (*l)[n-1].saw != saw {
		*l = append(*l, stretch{at, saw})
	}
}

func (l timeline) String() string {
	var b strings.Builder
	for _, s := range l {
		fmt.Fprintf(&b, "%12v  %s\n", s.from, s.saw)
	}
	return b.String()
}

// compare compares a timeline with lines of a start, such as 1h, or its bounds, such as 20m..30m, and an answer.
func (l timeline) compare(t *testing.T, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	ok := len(lines) == len(l)
	for i := 0; ok && i < len(lines); i++ {
		when, saw, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
		from, to, ranged := strings.Cut(when, "..")
		if !ranged {
			to = from
		}
		earliest, err1 := time.ParseDuration(from)
		latest, err2 := time.ParseDuration(to)
		if err1 != nil || err2 != nil {
			t.Fatalf("%q begins with no time", lines[i])
		}
		ok = l[i].saw == strings.TrimSpace(saw) && earliest <= l[i].from && l[i].from <= latest
	}
	if !ok {
		t.Errorf("clients did not see\n%s", want)
	}
}
