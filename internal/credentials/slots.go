package credentials

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxSessions bounds how many on-demand keepers of a Pool run at one time. With 8 KiB each they take 80 MiB.
	maxSessions = 10_000
	// tellEvery is how often the log says that there are too many.
	tellEvery = time.Minute
)

// slots counts the on-demand keepers of a Pool that run. A client that makes up names of pods must not use up the memory.
type slots struct {
	most int
	log  *slog.Logger

	// mu guards the fields below.
	mu      sync.Mutex
	running int
	told    time.Time // when the log said so last
}

// begin counts one more. It fails if there are too many.
func (s *slots) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running < s.most {
		s.running++
		return nil
	}
	if now := time.Now(); now.Sub(s.told) >= tellEvery {
		s.told = now
		s.log.Warn("too many sessions at one time", "most", s.most,
			"hint", "sessions without clients end when they expire; with pod_identity.session_tags each pod has its own")
	}
	return &Error{
		Code: CodeFailed, Temporary: true,
		Message: fmt.Sprintf("there are %d sessions, as many as can be at one time; retry when others have expired", s.most),
	}
}

// end counts one less.
func (s *slots) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}
