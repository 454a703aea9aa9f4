package imds

import (
	"context"
	"errors"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/web"
)

// serveSpoiled answers a request under the first fault that takes it, and for real if none does.
func (s *service) serveSpoiled(t *Target, w http.ResponseWriter, r *http.Request, path string) error {
	now := t.Tokens.now()
	act := t.Faults.Act(w, r, path, Version(r), now)
	if act == nil {
		return s.serve(t, w, r, path)
	}
	act.Delay()
	f := &act.Rule().Spec
	if t.losesToken(act, r, path) {
		return &web.Error{Status: http.StatusUnauthorized}
	}
	if f.TokenLost && path == tokenPath && t.authorises(r, path) && act.Applies() {
		act.Hang()
	}
	if instead := act.Instead(now); instead != nil {
		if t.authorises(r, path) {
			_ = t.observe(path) // under faults it is none
		}
		return instead
	}
	spoiled := t
	if t.Credentials != nil && path != tokenPath {
		other := *t
		other.Credentials = &spoiledSource{t.Credentials, act, now}
		spoiled = &other
	}
	rec := act.Record()
	if err := s.serve(spoiled, rec, r, path); err != nil {
		return err // never a 200
	}
	if rec.OK() && f.NoTTL && path == tokenPath && r.Method == http.MethodPut && act.Applies() {
		delete(w.Header(), ttlHeader)
	}
	if rec.OK() && f.Skew != 0 && act.Applies() {
		skewAnswer(rec, path, f.Skew)
	}
	act.Send(rec)
	return nil
}

// losesToken reports whether a fault makes a request's token invalid that is valid.
func (t *Target) losesToken(act *fault.Act, r *http.Request, path string) bool {
	rule, sent := act.Rule(), r.Header[tokenHeader]
	if rule.Spec.Tokens == "" || len(sent) == 0 || r.Method == http.MethodPut || t.left(sent, t.TokensSince) == 0 {
		return false
	}
	if rule.Spec.Tokens == "forget" && (path == tokenPath || t.left(sent, later(t.TokensSince, rule.Created)) > 0) {
		return false
	}
	return act.Applies()
}

// authorises reports whether Observe would be told of a request.
func (t *Target) authorises(r *http.Request, path string) bool {
	if path == tokenPath {
		_, ok := parseTTL(r.Header.Get(ttlHeader))
		return ok && r.Method == http.MethodPut
	}
	if r.Method == http.MethodPut && isVersionedTokenPath(path) {
		return false
	}
	if sent := r.Header[tokenHeader]; len(sent) > 0 {
		return t.left(sent, t.TokensSince) > 0
	}
	return !t.TokensRequired
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// spoiledSource changes credentials as the fault of one request wants it.
type spoiledSource struct {
	source CredentialSource
	act    *fault.Act
	now    time.Time
}

// Credentials returns those of the source, changed.
func (s *spoiledSource) Credentials(ctx context.Context) (*Credentials, error) {
	c, err := s.source.Credentials(ctx)
	rule := s.act.Rule()
	if wanted := rule.Spec.Credentials; wanted != nil && wanted.Code != "" {
		return c, s.recode(err, wanted.Code)
	}
	if err != nil {
		return nil, err
	}
	spoiled := spoil(c, rule, s.now)
	if spoiled == nil || !s.act.Applies() {
		return c, nil
	}
	return spoiled, nil
}

// recode makes a document with a code out of an answer that is a 200.
func (s *spoiledSource) recode(err error, code string) error {
	failed, isDocument := errors.AsType[*CredentialError](err)
	if err != nil && (!isDocument || failed.Temporary) || !s.act.Applies() {
		return err
	}
	return &CredentialError{
		Code: code, Message: "simulated by the fault " + s.act.Rule().ID + " of mock-ec2-metadata", LastUpdated: s.act.Rule().Created,
	}
}

// spoil returns changed credentials; nil if they stay. Keys that would leave in a broken document, as expired ones, or with a longer
// life are made up.
func spoil(c *Credentials, rule *fault.Rule, now time.Time) *Credentials {
	f := &rule.Spec
	k, expiration, lastUpdated := c.keys, c.expiration, c.lastUpdated
	switch {
	case f.Truncate != nil || f.Cut != nil || f.Stall != nil:
		k = madeUp(k, rule.ID)
	case f.Credentials != nil && f.Credentials.Expired:
		k = madeUp(k, rule.ID)
		expiration, lastUpdated = rule.Created.Add(-time.Hour), rule.Created.Add(-2*time.Hour)
	case f.Credentials != nil && now.Add(f.Credentials.ExpiresIn).Before(expiration):
		expiration = now.Add(f.Credentials.ExpiresIn)
	case f.Skew > 0:
		k = madeUp(k, rule.ID)
		expiration, lastUpdated = expiration.Add(f.Skew), lastUpdated.Add(f.Skew)
	case f.Skew < 0:
		expiration, lastUpdated = expiration.Add(f.Skew), lastUpdated.Add(f.Skew)
	default:
		return nil
	}
	return NewCredentials(k.accessKeyID, k.secretAccessKey, k.sessionToken, k.accountID, expiration, lastUpdated)
}
