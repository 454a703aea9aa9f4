package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/web"
	"mock-ec2-metadata/test/stsfake"
)

// patience is how long a request may take: most SDKs give up after one second.
const patience = 900 * time.Millisecond

// world is a fake STS and what hands out its credentials, with all that is in between: HTTP over a network in memory, the
// SDK, the keeper, the metadata service. It lives in a bubble, so that hours pass in no time.
type world struct {
	*stsfake.Server
	network *network
	calls   *calls
	handler http.Handler
	keeper  *credentials.Keeper // begins to call with run
	begun   time.Time
	// ahead is by how much this machine's clock is ahead of the time by which it signs, stsAhead by how much STS's is.
	ahead, stsAhead atomic.Int64

	issues map[string]issue // what clients got, by access key id
}

// issue is the document of one renewal, and its name here: A is the first.
type issue struct {
	name rune
	body string
}

// newWorld is called within a bubble, in an isolated home.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{network: newNetwork(), begun: time.Now(), issues: map[string]issue{}}
	w.Server = stsfake.StartOn(t, w.network, stsfake.WithNow(func() time.Time { return time.Now().Add(time.Duration(w.stsAhead.Load())) }))
	w.AddRole(roleARN)
	write(t, ".aws/credentials", profile(w.AddUser("developer")))
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://sts.invalid")
	w.calls = &calls{to: dialing(w.network.dial)}
	w.handler, w.keeper = handOut(t, w.calls, func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) })
	return w
}

// handOut is a metadata service that has client call STS, as the daemon puts it together, but without what watches files.
func handOut(t *testing.T, client aws.HTTPClient, now func() time.Time) (http.Handler, *credentials.Keeper) {
	t.Helper()
	loaded, err := config.Load(config.Sources{Set: []string{"credentials.source_profile=default", "credentials.iam_role=" + roleARN}})
	if err != nil {
		t.Fatal(err)
	}
	_, snapshot, err := build(loaded)
	if err != nil {
		t.Fatal(err)
	}
	c, log := loaded.Config, slog.New(slog.DiscardHandler)
	keeper := credentials.NewKeeper(credentials.NewSTS(specOf(c), credentials.Options{HTTP: client, Now: now}),
		time.Hour, log, now) // a quarter before the expiry, then, with little jitter: the timelines stay short
	d := &daemon{}
	d.current.Store(&generation{target: &imds.Target{Tree: snapshot, Credentials: newCredentialSource(keeper, "")}})
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	r.HandleFunc("/status", http.NotFound) // without a route chi skips CleanPath
	r.NotFound(imds.NewHandler(log, d, func(*http.Request) bool { return false }))
	return r, keeper
}

// askPage is one client's request, and what comes of it.
func askPage(h http.Handler) (status int, body string, took time.Duration) {
	asked := time.Now()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/latest/meta-data/iam/security-credentials/myrole", nil))
	return rec.Code, rec.Body.String(), time.Since(asked)
}

// document is what clients get, in both its forms.
type document struct {
	Code, Message, LastUpdated                            string
	Type, AccessKeyID, SecretAccessKey, Token, Expiration string
}

// see asks, checks what holds for each answer whatever happens, and names it: "200 Success A" for the first credentials,
// or status, code and message.
func (w *world) see(t *testing.T) string {
	t.Helper()
	status, body, took := askPage(w.handler)
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%v: %s in %d %s", time.Since(w.begun), fmt.Sprintf(format, args...), status, body)
	}
	if took > patience {
		wrong("%v waited", took)
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
			wrong("no error")
		}
		return fmt.Sprintf("%d %s: %s", status, d.Code, moments.ReplaceAllString(d.Message, "TIME"))
	}
	got, known := w.issues[d.AccessKeyID]
	if !known {
		was, ok := w.Issued(d.AccessKeyID)
		if !ok || d.SecretAccessKey != was.SecretAccessKey || d.Token != was.SessionToken || d.Expiration != was.Expires.UTC().Format(time.RFC3339) || d.Type != "AWS-HMAC" {
			wrong("other than issued")
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

// run lets time pass for length, does what is due, and asks once a second.
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
			go w.keeper.Run(t.Context())
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

// compare holds a timeline against lines of a beginning, or the bounds of one as 40m..45m, and an answer.
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
		t.Errorf("clients saw other things than\n%s", want)
	}
}
