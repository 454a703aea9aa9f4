package docker

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// remembered is how long an answer is given again, failures too: containers ask often, and must not make the engine busy.
	remembered = time.Second
	// askTimeout bounds a question, with all requests that it takes. It is longer than clients wait: the next one gets the answer.
	askTimeout = 2 * time.Second
	// maxAnswers are remembered or on their way.
	maxAnswers = 1024
)

var errTooMany = errors.New("too many questions about containers at once; ask again in a second")

// shared answers equal questions by one. It is empty at first, and safe for concurrent use.
type shared[T any] struct {
	// late is how long an answer is kept for the next who asks if it came after all who waited had given up; 0: as others. The
	// question is asked again then, for the one after.
	late time.Duration

	mu      sync.Mutex
	answers map[string]*answer[T] // by question
}

type answer[T any] struct {
	done  chan struct{} // closed when value and err are set
	value T
	err   error

	got, late bool // somebody got it; it is kept for the next alone. The mutex guards both
}

// get returns what ask returns, or what it has returned for the same question within the last second. It fails with the
// context's error when ctx is done first, and the question goes on for others.
func (s *shared[T]) get(ctx context.Context, question string, ask func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	a := s.answer(ctx, question, ask)
	if a == nil {
		return none, errTooMany
	}
	select {
	case <-a.done:
		s.mu.Lock()
		a.got = true
		s.mu.Unlock()
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// answer returns nil if there are too many.
func (s *shared[T]) answer(ctx context.Context, question string, ask func(context.Context) (T, error)) *answer[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answers[question]
	if a != nil && !a.late {
		return a
	}
	if a == nil && len(s.answers) >= maxAnswers {
		return nil
	}
	next := s.start(ctx, question, ask)
	if a != nil {
		return a
	}
	return next
}

// start needs the mutex. It asks, and replaces the answer before.
func (s *shared[T]) start(ctx context.Context, question string, ask func(context.Context) (T, error)) *answer[T] {
	if s.answers == nil {
		s.answers = map[string]*answer[T]{}
	}
	a := &answer[T]{done: make(chan struct{})}
	s.answers[question] = a
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	go func() {
		defer cancel()
		a.value, a.err = ask(ctx)
		close(a.done)
		time.AfterFunc(remembered, func() { s.forget(question, a) })
	}()
	return a
}

// forget forgets an answer, unless it is a late one that the next is to get.
func (s *shared[T]) forget(question string, a *answer[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[question] != a {
		return
	}
	if s.late > 0 && !a.got && !a.late && a.err == nil {
		a.late = true
		time.AfterFunc(s.late, func() { s.forget(question, a) })
		return
	}
	delete(s.answers, question)
}
