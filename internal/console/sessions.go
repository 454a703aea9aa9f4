package console

import (
	"context"
	"slices"
	"time"
)

const (
	codeLife    = time.Minute
	maxCodes    = 16
	sessionLife = 12 * time.Hour
	idleLife    = 30 * time.Minute // without a request
	maxSessions = 8
)

// code opens one session. A used one is remembered for its minute, so that a second use is noticed even when the session is over by then.
type code struct {
	digest  digest
	expires time.Time
	used    bool
}

// session is of one tab of a browser.
type session struct {
	token, code digest
	created     time.Time
	used        time.Time // when the last request ended
	inFlight    int       // requests
	ended       context.Context
	end         context.CancelFunc // ends requests in flight
}

// ends is when the session ends, unless it is used before. A session with a request in flight is in use.
func (s *session) ends() time.Time {
	ends, idle := s.created.Add(sessionLife), s.used.Add(idleLife)
	if s.inFlight == 0 && idle.Before(ends) {
		return idle
	}
	return ends
}

// sessions are those of a console, and the codes that open them. It has no lock and no clock.
type sessions struct {
	codes []code     // oldest first
	all   []*session // likewise
	empty time.Time  // since when there is no session; it counts only then
}

// newCode makes a code.
func (s *sessions) newCode(now time.Time) secret {
	text := newSecret()
	if len(s.codes) == maxCodes {
		s.codes = slices.Delete(s.codes, 0, 1)
	}
	s.codes = append(s.codes, code{digest: text.digest(), expires: now.Add(codeLife)})
	if len(s.all) == 0 {
		s.empty = now
	}
	return text
}

// redemption is what has come of a code.
type redemption struct {
	token   secret // "": the code is wrong, expired or used
	session *session
	oldest  *session // that has made room, and has ended
	twice   bool     // the code was used before, and its session has ended; said once for each code
}

// redeem opens a session by a code. A code that comes twice has been seen by somebody else: then its session ends.
func (s *sessions) redeem(text secret, now time.Time) redemption {
	d := text.digest()
	i := slices.IndexFunc(s.codes, func(one code) bool { return one.digest == d && now.Before(one.expires) })
	of := slices.IndexFunc(s.all, func(one *session) bool { return one.code == d })
	if of >= 0 || i >= 0 && s.codes[i].used {
		if i >= 0 {
			s.codes = slices.Delete(s.codes, i, i+1)
		}
		if of >= 0 {
			s.remove(s.all[of], now)
		}
		return redemption{twice: true}
	}
	if i < 0 {
		return redemption{}
	}
	s.codes[i].used = true
	var r redemption
	if len(s.all) == maxSessions {
		r.oldest = s.all[0]
		s.remove(r.oldest, now)
	}
	r.token = newSecret()
	r.session = &session{token: r.token.digest(), code: d, created: now, used: now}
	r.session.ended, r.session.end = context.WithCancel(context.Background())
	s.all = append(s.all, r.session)
	return r
}

// find returns the session of a token; nil if there is none.
func (s *sessions) find(token secret, now time.Time) *session {
	d := token.digest()
	i := slices.IndexFunc(s.all, func(one *session) bool { return one.token == d })
	if i < 0 || !now.Before(s.all[i].ends()) {
		return nil
	}
	return s.all[i]
}

// remove ends a session; one that has ended already stays so.
func (s *sessions) remove(one *session, now time.Time) {
	i := slices.Index(s.all, one)
	if i < 0 {
		return
	}
	one.end()
	s.all = slices.Delete(s.all, i, i+1)
	if len(s.all) == 0 {
		s.empty = now
	}
}

// removeAll ends all sessions and codes, and returns how many sessions it has ended.
func (s *sessions) removeAll(now time.Time) int {
	ended := len(s.all)
	for _, one := range slices.Clone(s.all) {
		s.remove(one, now)
	}
	s.codes = nil
	return ended
}

// expire ends what has expired, and returns how many sessions it has ended.
func (s *sessions) expire(now time.Time) int {
	ended := 0
	for _, one := range slices.Clone(s.all) {
		if at := one.ends(); !now.Before(at) {
			s.remove(one, at)
			ended++
		}
	}
	s.codes = slices.DeleteFunc(s.codes, func(one code) bool { return !now.Before(one.expires) })
	return ended
}

// next is when the next session ends, or when the port closes if there is none.
func (s *sessions) next() time.Time {
	if len(s.all) == 0 {
		return s.empty.Add(portLife)
	}
	next := s.all[0].ends()
	for _, one := range s.all[1:] {
		if at := one.ends(); at.Before(next) {
			next = at
		}
	}
	return next
}
