package fault

import (
	"maps"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/web"
)

// Recorder holds back the status and the body of a real answer. Its header is the answer's own.
type Recorder struct {
	w      http.ResponseWriter
	status int
	body   []byte
}

// Record returns the recorder for the real answer, which Send sends.
func (a *Act) Record() *Recorder { return &Recorder{w: a.w} }

// Header is that of the answer.
func (rec *Recorder) Header() http.Header { return rec.w.Header() }

// WriteHeader holds the status back.
func (rec *Recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
}

// Write holds a part of the body back. It never fails.
func (rec *Recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	rec.body = append(rec.body, p...)
	return len(p), nil
}

// OK reports whether the answer is a 200. Faults change no other.
func (rec *Recorder) OK() bool { return rec.status == http.StatusOK }

// Body is what has been held back.
func (rec *Recorder) Body() []byte { return rec.body }

// Replace replaces the body, and its length in the header.
func (rec *Recorder) Replace(body []byte) {
	rec.body = body
	rec.Header()["Content-Length"] = web.Length(body)
}

// portal is a page of the kind that networks send to those who have not signed in.
const portal = `<!DOCTYPE html>
<html lang="en">
<head><title>Sign in to this network</title></head>
<body>
<h1>Sign in to this network</h1>
<form method="post" action="/login"><input name="user"><input name="password" type="password"><button>Sign in</button></form>
</body>
</html>
`

// Send sends the recorded answer with the effects that need it: body, drip, stall, cut and truncate. They leave answers alone that are
// not a 200, and those too short for them.
func (a *Act) Send(rec *Recorder) {
	f := &a.rule.Spec
	size := len(rec.body)
	if a.r.Method == http.MethodHead {
		size = 0 // none is sent
	}
	switch {
	case !rec.OK():
	case f.Body != "" && a.Applies():
		a.replace(rec, f.Body)
	case f.Truncate != nil && *f.Truncate < len(rec.body) && a.Applies():
		rec.Replace(rec.body[:*f.Truncate])
	case f.Cut != nil && a.Applies():
		a.part(rec, min(*f.Cut, size))
		a.abort()
	case f.Stall != nil && *f.Stall < size && a.Applies():
		a.stall(rec, *f.Stall)
	case f.Drip > 0 && size > 0 && a.Applies():
		a.drip(rec, f.Drip)
		return
	}
	a.w.WriteHeader(rec.status)
	_, _ = a.w.Write(rec.body)
}

// replace replaces the body by nothing, or by a page of somebody else, without the service's own headers.
func (a *Act) replace(rec *Recorder, by string) {
	if by != "html" {
		rec.Replace(nil)
		return
	}
	maps.DeleteFunc(rec.Header(), func(name string, _ []string) bool { return name != "Server" && name != "Connection" })
	rec.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
	rec.Replace([]byte(portal))
}

// part sends the header, which promises the whole body, and its first n bytes.
func (a *Act) part(rec *Recorder, n int) {
	a.w.WriteHeader(rec.status)
	_, _ = a.w.Write(rec.body[:n])
	_ = a.control().Flush()
}

// stall sends the first n bytes and nothing more. It does not return.
func (a *Act) stall(rec *Recorder, n int) {
	defer a.enter()() // before the header
	a.part(rec, n)
	a.silence()
}

// drip sends the body byte by byte, each after a gap; after 5 minutes without. The rest goes at once when the rule ends or the server
// stops.
func (a *Act) drip(rec *Recorder, gap time.Duration) {
	defer a.enter()()
	a.part(rec, 0)
	last := time.Now().Add(maxWait)
	timer := time.NewTimer(gap)
	defer timer.Stop()
	for i := range rec.body {
		timer.Reset(min(gap, time.Until(last)))
		ended := a.wait(timer.C)
		if ended == left {
			a.abort()
		}
		a.extend()
		if ended == released {
			_, _ = a.w.Write(rec.body[i:])
			return
		}
		_, _ = a.w.Write(rec.body[i : i+1])
		_ = a.control().Flush()
	}
}
