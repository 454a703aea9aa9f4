package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
)

// maxLogin is how many bytes the body of a login has at most.
const maxLogin = 1 << 10

const again = "run mock-ec2-metadata console for a new one"

// login opens a session by a code.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r) {
		refuse(w, http.StatusUnsupportedMediaType, "send Content-Type: application/json")
		return
	}
	var in api.ConsoleCode
	if err := decode(http.MaxBytesReader(w, r.Body, maxLogin), &in); err != nil {
		refuse(w, http.StatusUnprocessableEntity, `the body is not {"code": "..."}`)
		return
	}
	done, ok := c.redeem(secret(in.Code))
	switch {
	case done.twice:
		refuse(w, http.StatusForbidden, "this code has been used before, so its session has ended; "+again)
	case !ok && !c.guesses.take(): // the right code always passes: else another user's guesses would keep this user out
		tooMany(w)
	case !ok:
		refuse(w, http.StatusForbidden, "this code is not valid, it works once within 60 seconds; "+again)
	default:
		answer(w, http.StatusOK, api.ConsoleSession{Token: string(done.token), ExpiresAt: done.session.created.Add(sessionLife).UTC().Truncate(time.Second)})
	}
}

// decode reads one JSON document without unknown fields.
func decode(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

// redeem opens a session, and logs what has come of it.
func (c *Console) redeem(code secret) (done redemption, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.expire(now)
	done = c.sessions.redeem(code, now)
	if done.twice {
		c.opt.Log.Warn("console code presented twice, session ended", "left", len(c.sessions.all),
			"hint", "another program may have seen the code; run mock-ec2-metadata console again")
	}
	if done.oldest != nil {
		c.opt.Log.Info("oldest console session ended", "hint", "there are 8 at most")
	}
	if done.token != "" {
		c.opt.Log.Info("console session started", "sessions", len(c.sessions.all))
	}
	c.plan(now)
	return done, done.token != ""
}

// serve answers requests that need a session.
func (c *Console) serve(w http.ResponseWriter, r *http.Request) {
	s := c.enter(r.Header["Authorization"])
	if s == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "there is no such session, or it has ended; run mock-ec2-metadata console")
		return
	}
	defer c.leave(s)
	switch {
	case isChange(r.Method) && !isJSON(r):
		refuse(w, http.StatusUnsupportedMediaType, "send Content-Type: application/json")
	case isChange(r.Method) && !c.changes.take():
		tooMany(w)
	case r.URL.Path == sessionPath && r.Method != http.MethodDelete:
		notAllowed(w, "DELETE, POST")
	case r.URL.Path == sessionPath:
		c.logout(s)
		w.WriteHeader(http.StatusNoContent)
	default:
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ended, cancel)()
		r = r.WithContext(ctx)
		r.Body = &sessionBody{r.Body, s}
		c.api().ServeHTTP(w, r)
	}
}

// sessionBody is the body of a request. What arrives after the session's end is not read, so it changes nothing.
type sessionBody struct {
	io.ReadCloser
	session *session
}

func (b *sessionBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.session.ended.Err() != nil {
		return 0, errors.New("the session has ended")
	}
	return n, err
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusTooManyRequests, "there are more than 10 changes a second; retry later")
}

// enter finds the session of a request; nil if there is none. The caller calls leave.
func (c *Console) enter(authorization []string) *session {
	if len(authorization) != 1 {
		return nil
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions.find(secret(token), time.Now())
	if s != nil {
		s.inFlight++
	}
	return s
}

// leave ends what enter has begun.
func (c *Console) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	s.used = now
	s.inFlight--
	c.plan(now)
}

// logout ends a session.
func (c *Console) logout(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions.remove(s, time.Now())
	c.opt.Log.Info("console session ended", "sessions", len(c.sessions.all))
}
